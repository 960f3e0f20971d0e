//! Loads over the Kinesis API, by raw connections and prepared requests, so that the client does
//! not bound the figure.

mod chance;
mod crossing;
mod get;
mod http;
mod put;
mod request;
mod rows;
mod scan;
mod stream;

pub use rows::rows;

use crate::job::{Job, Loaded};
use anyhow::Result;
use crossing::Crossing;
use get::Get;
use put::Put;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Load {
    Put(Put),
    Get(Get),
    Crossing(Crossing),
}

impl Load {
    pub fn carry_out(&self, job: &Job) -> Result<Loaded> {
        match self {
            Load::Put(load) => runtime()?.block_on(load.carry_out(job)),
            Load::Get(load) => runtime()?.block_on(load.carry_out(job)),
            Load::Crossing(load) => load.carry_out(job),
        }
    }
}

/// One thread for all connections: it costs the server least of the processors that they share.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// When a load ends: whichever comes first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Until {
    pub records: u64,
    pub seconds_max: f64,
}

impl Default for Until {
    fn default() -> Until {
        Until {
            records: 100_000,
            seconds_max: 20.0,
        }
    }
}

impl Until {
    fn is_over(&self, records: u64, elapsed: Duration) -> bool {
        records >= self.records || elapsed.as_secs_f64() >= self.seconds_max
    }
}

/// Nanoseconds of a time that a load may take.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
