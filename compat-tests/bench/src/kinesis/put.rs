//! PutRecords and PutRecord: every connection sends requests that were made before, over and over.

use super::chance::Chance;
use super::http::Connection;
use super::request::Target;
use super::{Until, nanos, scan, stream};
use crate::job::{Job, Latencies, Loaded, Meter};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// Bytes of requests that all connections prepare together, at most.
const PREPARED_BYTES_MAX: usize = 64 << 20;
/// Requests that one connection prepares, at most.
const PREPARED_MAX: usize = 256;

/// A load of puts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Put {
    pub stream: String,
    pub shards: usize,
    pub connections: usize,
    /// Records of a PutRecords; without it, PutRecord.
    pub batch: Option<usize>,
    pub record_bytes: usize,
    #[serde(flatten)]
    pub until: Until,
}

impl Default for Put {
    fn default() -> Put {
        Put {
            stream: "bench".into(),
            shards: 4,
            connections: 1,
            batch: None,
            record_bytes: 1000,
            until: Until::default(),
        }
    }
}

/// One connection with its requests.
struct Writer {
    connection: Connection,
    requests: Vec<Vec<u8>>,
    batch: Option<usize>,
}

impl Put {
    pub async fn carry_out(&self, job: &Job) -> Result<Loaded> {
        let target = Target::of(job, &self.stream)?;
        let made = stream::make(&target, self.shards).await;
        made.context("making the stream")?;
        let mut writers = Vec::new();
        for index in 0..self.connections {
            writers.push(Writer {
                connection: Connection::open(&target.address).await?,
                requests: self.requests(&target, index),
                batch: self.batch,
            });
        }
        let put = Arc::new(AtomicU64::new(0));
        let meter = Meter::start(job)?;
        let began = Instant::now();
        let mut running = JoinSet::new();
        for writer in writers {
            running.spawn(writer.run(self.until, began, put.clone()));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = running.join_next().await {
            latencies.extend(ended??);
        }
        let records = put.load(Ordering::Relaxed);
        let mut loaded = meter.end(records, records * self.record_bytes as u64)?;
        loaded.latencies = Latencies::of(latencies);
        Ok(loaded)
    }

    fn requests(&self, target: &Target, index: usize) -> Vec<Vec<u8>> {
        let batch = self.batch.unwrap_or(1);
        let request_bytes = batch * (self.record_bytes * 4 / 3 + 64);
        let count = PREPARED_BYTES_MAX / (request_bytes * self.connections);
        let mut chance = Chance::new(index as u64);
        let one = |_| match self.batch {
            Some(batch) => target.put_records(&mut chance, batch, self.record_bytes),
            None => target.put_record(&mut chance, self.record_bytes),
        };
        (0..count.clamp(1, PREPARED_MAX)).map(one).collect()
    }
}

impl Writer {
    /// Puts until it is time to stop: the nanoseconds that every request took.
    async fn run(mut self, until: Until, began: Instant, put: Arc<AtomicU64>) -> Result<Vec<u64>> {
        let mut latencies = Vec::new();
        let mut asked = began.elapsed();
        for request in self.requests.iter().cycle() {
            if until.is_over(put.load(Ordering::Relaxed), asked) {
                break;
            }
            let answer = self.connection.ask(request).await?;
            if self.batch.is_some() {
                scan::all_stored(answer)?;
            }
            let answered = began.elapsed();
            latencies.push(nanos(answered - asked));
            put.fetch_add(self.batch.unwrap_or(1) as u64, Ordering::Relaxed);
            asked = answered;
        }
        Ok(latencies)
    }
}
