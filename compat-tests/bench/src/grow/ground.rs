//! Where a point is measured: a server on an empty directory, and a runtime of one thread.

use crate::options::Options;
use crate::peer::{Peer, Server};
use crate::process;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Everything that the measurements share.
pub struct Ground<'a> {
    options: &'a Options,
    pub runtime: Runtime,
}

impl<'a> Ground<'a> {
    pub fn new(options: &'a Options) -> Result<Ground<'a>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Ground { options, runtime })
    }

    /// All of these, or with `--quick` the first two.
    pub fn points<'p, T>(&self, all: &'p [T]) -> &'p [T] {
        match self.options.quick {
            true => &all[..all.len().min(2)],
            false => all,
        }
    }

    /// How long each load runs.
    pub fn load_time(&self) -> Duration {
        match self.options.quick {
            true => Duration::from_millis(300),
            false => Duration::from_secs(5),
        }
    }

    pub fn is_quick(&self) -> bool {
        self.options.quick
    }

    pub fn serve(&self) -> Result<Served> {
        let directory = tempfile::Builder::new()
            .prefix("braid-grow-")
            .tempdir_in(&self.options.data)?;
        let data = directory.path().join("data");
        let server = Peer::Braid.start(self.options, &data)?;
        Served::new(directory, data, server)
    }

    /// Ends the server by SIGKILL and starts it again.
    pub fn crash(&self, served: Served) -> Result<Served> {
        let Served {
            directory,
            data,
            server,
            ..
        } = served;
        let pid = Pid::from_raw(i32::try_from(server.pid)?).context("a process id")?;
        kill_process(pid, Signal::KILL)?;
        server.stop()?;
        let server = Peer::Braid.start(self.options, &data)?;
        Served::new(directory, data, server)
    }
}

/// A running server; its directory goes with it.
pub struct Served {
    // Dropped first: nobody writes to a directory that is being removed.
    pub server: Server,
    pub kafka: SocketAddr,
    data: PathBuf,
    directory: TempDir,
}

impl Served {
    fn new(directory: TempDir, data: PathBuf, server: Server) -> Result<Served> {
        let kafka = server.kafka.as_deref().context("a Kafka address")?;
        Ok(Served {
            kafka: kafka.parse()?,
            server,
            data,
            directory,
        })
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn memory_mib(&self) -> Result<f64> {
        process::status_mib(self.server.pid, "VmRSS")
    }

    pub fn cpu_s(&self) -> Result<f64> {
        process::cpu_seconds(self.server.pid)
    }
}
