//! The ends that speak the Kinesis API.

use super::{Crossing, Receive, SendOne};
use crate::kinesis::http::Connection;
use crate::kinesis::request::Target;
use crate::kinesis::{runtime, scan, stream};
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::runtime::Runtime;

const SHARD: &str = "shardId-000000000000";
/// Between two reads of a shard that had nothing new.
const PAUSE: Duration = Duration::from_micros(500);
/// The base64 of the first nine bytes, of which eight are the time.
const STAMP_CHARS: usize = 12;

pub struct Sender {
    runtime: Runtime,
    connection: Connection,
    target: Target,
    payload: Vec<u8>,
}

impl Sender {
    pub fn new(load: &Crossing, target: Target) -> Result<Sender> {
        let runtime = runtime()?;
        Ok(Sender {
            connection: runtime.block_on(Connection::open(&target.address))?,
            runtime,
            target,
            payload: vec![b'x'; load.record_bytes],
        })
    }
}

impl SendOne for Sender {
    fn send(&mut self, now: u64) -> Result<()> {
        self.payload[..8].copy_from_slice(&now.to_le_bytes());
        let data = base64_simd::STANDARD.encode_to_string(&self.payload);
        let request = self.target.put_record_of(&data, now);
        self.runtime.block_on(self.connection.ask(&request))?;
        Ok(())
    }
}

pub struct Reader {
    runtime: Runtime,
    connection: Connection,
    target: Target,
    iterator: String,
}

impl Reader {
    /// At the end of the only shard.
    pub fn new(target: Target) -> Result<Reader> {
        let runtime = runtime()?;
        let (connection, iterator) = runtime.block_on(async {
            let mut connection = Connection::open(&target.address).await?;
            let iterator = stream::iterator(&mut connection, &target, SHARD, "LATEST").await?;
            anyhow::Ok((connection, iterator))
        })?;
        Ok(Reader {
            runtime,
            connection,
            target,
            iterator,
        })
    }
}

impl Receive for Reader {
    fn receive(&mut self) -> Result<Vec<u64>> {
        let request = self.target.get_records(&self.iterator);
        let answer = self.runtime.block_on(self.connection.ask(&request))?;
        let next = scan::text(answer, "NextShardIterator").context("no next iterator")?;
        self.iterator = next.to_owned();
        let stamps: Result<Vec<u64>> = scan::texts(answer, "Data").into_iter().map(stamp).collect();
        let stamps = stamps?;
        if stamps.is_empty() {
            std::thread::sleep(PAUSE);
        }
        Ok(stamps)
    }
}

fn stamp(data: &str) -> Result<u64> {
    let head = data
        .get(..STAMP_CHARS)
        .context("a record without its time")?;
    let bytes = base64_simd::STANDARD.decode_to_vec(head)?;
    let sent = bytes.first_chunk().context("a record without its time")?;
    Ok(u64::from_le_bytes(*sent))
}
