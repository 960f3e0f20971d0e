//! What the machine itself can do at best, measured beside the servers.

use crate::job::Latencies;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const LOOPBACK_TIME: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// A write of 4 KiB and its fdatasync, into a file that is filled with zeros.
    pub sync_4_kib: Latencies,
    /// The same with 1 MiB.
    pub sync_1_mib: Latencies,
    pub loopback_mb_per_second: f64,
}

pub fn measure(folder: &Path, quick: bool) -> Result<Limits> {
    let writes = if quick { 50 } else { 300 };
    Ok(Limits {
        sync_4_kib: syncs(folder, 4 << 10, writes)?,
        sync_1_mib: syncs(folder, 1 << 20, writes / 2)?,
        loopback_mb_per_second: loopback()? / 1e6,
    })
}

fn syncs(folder: &Path, bytes: usize, writes: usize) -> Result<Latencies> {
    let file = tempfile::tempfile_in(folder)?;
    let zeros = vec![0; bytes];
    for index in 0..writes {
        file.write_all_at(&zeros, (index * bytes) as u64)?;
    }
    file.sync_all()?;
    let content = vec![1; bytes];
    let one = |index: usize| sync_one(&file, &content, (index * bytes) as u64);
    let taken: Result<Vec<u64>> = (0..writes).map(one).collect();
    Latencies::of(taken?).context("no write")
}

fn sync_one(file: &File, content: &[u8], at: u64) -> Result<u64> {
    let began = Instant::now();
    file.write_all_at(content, at)?;
    file.sync_data()?;
    Ok(u64::try_from(began.elapsed().as_nanos())?)
}

/// Bytes in a second from one thread to another over one connection.
fn loopback() -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let began = Instant::now();
    let received = std::thread::scope(|scope| {
        scope.spawn(move || {
            let content = vec![1; 256 << 10];
            while began.elapsed() < LOOPBACK_TIME && sender.write_all(&content).is_ok() {}
        });
        let mut buffer = vec![0; 256 << 10];
        let mut received = 0;
        loop {
            match receiver.read(&mut buffer)? {
                0 => return anyhow::Ok(received),
                more => received += more,
            }
        }
    })?;
    Ok(received as f64 / began.elapsed().as_secs_f64())
}
