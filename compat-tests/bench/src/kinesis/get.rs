//! GetRecords: shards are read from their oldest record to their end, again and again.

use super::http::Connection;
use super::request::Target;
use super::{Until, nanos, scan, stream};
use crate::job::{Job, Latencies, Loaded, Meter};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// A load of reads, of a stream that was filled before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Get {
    pub stream: String,
    pub connections: usize,
    pub record_bytes: usize,
    #[serde(flatten)]
    pub until: Until,
}

impl Default for Get {
    fn default() -> Get {
        Get {
            stream: "bench".into(),
            connections: 1,
            record_bytes: 1000,
            until: Until::default(),
        }
    }
}

/// One connection with the shards that it reads.
struct Reader {
    connection: Connection,
    target: Target,
    horizons: Vec<String>,
}

impl Get {
    pub async fn carry_out(&self, job: &Job) -> Result<Loaded> {
        let target = Target::of(job, &self.stream)?;
        let horizons = stream::horizons(&target).await.context("the shards")?;
        let mut readers = Vec::new();
        for index in 0..self.connections {
            readers.push(Reader {
                connection: Connection::open(&target.address).await?,
                target: target.clone(),
                horizons: share(&horizons, index, self.connections),
            });
        }
        let got = Arc::new(AtomicU64::new(0));
        let meter = Meter::start(job)?;
        let began = Instant::now();
        let mut running = JoinSet::new();
        for reader in readers {
            running.spawn(reader.run(self.until, began, got.clone()));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = running.join_next().await {
            latencies.extend(ended??);
        }
        let records = got.load(Ordering::Relaxed);
        let mut loaded = meter.end(records, records * self.record_bytes as u64)?;
        loaded.latencies = Latencies::of(latencies);
        Ok(loaded)
    }
}

/// The shards of one connection: every shard has a reader, every reader a shard.
fn share(horizons: &[String], index: usize, connections: usize) -> Vec<String> {
    let own = horizons.iter().skip(index).step_by(connections);
    let own: Vec<String> = own.cloned().collect();
    match own.is_empty() {
        true => vec![horizons[index % horizons.len()].clone()],
        false => own,
    }
}

impl Reader {
    /// Reads until it is time to stop: the nanoseconds that every request took.
    async fn run(mut self, until: Until, began: Instant, got: Arc<AtomicU64>) -> Result<Vec<u64>> {
        let mut latencies = Vec::new();
        let mut next = self.horizons.iter().cycle();
        let mut iterator = None;
        let mut empty = 0;
        loop {
            let asked = began.elapsed();
            if until.is_over(got.load(Ordering::Relaxed), asked) {
                return Ok(latencies);
            }
            let from = iterator.take().or_else(|| next.next().cloned());
            let request = self.target.get_records(&from.context("no shard to read")?);
            let answer = self.connection.ask(&request).await?;
            let records = scan::records(answer);
            if records == 0 {
                // The shard's end: the next one follows, or the same again.
                empty += 1;
                ensure!(empty <= self.horizons.len(), "there is nothing to read");
                continue;
            }
            empty = 0;
            iterator = scan::text(answer, "NextShardIterator").map(str::to_owned);
            latencies.push(nanos(began.elapsed() - asked));
            got.fetch_add(records, Ordering::Relaxed);
        }
    }
}
