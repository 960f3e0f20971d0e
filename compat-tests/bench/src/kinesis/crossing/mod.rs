//! Across the faces: records go in by one protocol and come out by the other, each with its time.

mod kafka;
mod kinesis;

use super::request::Target;
use super::{nanos, runtime, stream};
use crate::job::{Job, Latencies, Loaded, Meter};
use anyhow::{Result, bail, ensure};
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Time that a record may take, whatever happens.
const WAIT: Duration = Duration::from_secs(20);
/// Records before the measured ones, so that connections and code are warm.
const PRIMING: u64 = 100;
/// Bytes of a value that hold its time.
const STAMP_BYTES: usize = 9;

/// Which way the records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    KafkaToKinesis,
    KinesisToKafka,
}

/// A stream of one shard that both faces share.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Crossing {
    pub way: Way,
    pub stream: String,
    pub record_bytes: usize,
    pub per_second: u64,
    pub records: u64,
}

impl Default for Crossing {
    fn default() -> Crossing {
        Crossing {
            way: Way::KafkaToKinesis,
            stream: "crossing".into(),
            record_bytes: 1000,
            per_second: 500,
            records: 2000,
        }
    }
}

/// Sends one record that holds the time.
trait SendOne: Send {
    fn send(&mut self, now: u64) -> Result<()>;
}

/// Takes what has arrived, maybe nothing: the times that it holds.
trait Receive {
    fn receive(&mut self) -> Result<Vec<u64>>;
}

impl Crossing {
    pub fn carry_out(&self, job: &Job) -> Result<Loaded> {
        let is_enough = self.record_bytes >= STAMP_BYTES;
        ensure!(
            is_enough,
            "a record holds its time: {STAMP_BYTES} bytes at least"
        );
        let target = Target::of(job, &self.stream)?;
        runtime()?.block_on(stream::make(&target, 1))?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", job.kafka()?);
        config.set("broker.address.family", "v4");
        match self.way {
            Way::KafkaToKinesis => {
                let sender = kafka::Sender::new(self, &config)?;
                self.cross(job, sender, kinesis::Reader::new(target)?)
            }
            Way::KinesisToKafka => {
                let sender = kinesis::Sender::new(self, target)?;
                self.cross(job, sender, kafka::Reader::new(self, &config)?)
            }
        }
    }

    fn cross(&self, job: &Job, mut from: impl SendOne, mut to: impl Receive) -> Result<Loaded> {
        let clock = Instant::now();
        self.pass(clock, PRIMING, &mut from, &mut to)?;
        let meter = Meter::start(job)?;
        let taken = self.pass(clock, self.records, &mut from, &mut to)?;
        let mut loaded = meter.end(self.records, self.records * self.record_bytes as u64)?;
        loaded.latencies = Latencies::of(taken);
        Ok(loaded)
    }

    /// Sends so many records while they are read: the nanoseconds that each was under way.
    fn pass(
        &self,
        clock: Instant,
        count: u64,
        from: &mut impl SendOne,
        to: &mut impl Receive,
    ) -> Result<Vec<u64>> {
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(clock, count, from));
            let mut taken = Vec::new();
            let steady = Duration::from_secs_f64(count as f64 / self.per_second as f64);
            let deadline = Instant::now() + steady + WAIT;
            while (taken.len() as u64) < count {
                ensure!(Instant::now() < deadline, "{} of {count} came", taken.len());
                let sent = to.receive()?;
                let now = nanos(clock.elapsed());
                taken.extend(sent.iter().map(|sent| now.saturating_sub(*sent)));
            }
            let sent = sending
                .join()
                .unwrap_or_else(|_| bail!("the sender failed"));
            sent.map(|()| taken)
        })
    }

    /// Sends so many records at the asked rate.
    fn send(&self, clock: Instant, count: u64, from: &mut impl SendOne) -> Result<()> {
        let began = Instant::now();
        for index in 0..count {
            let due = Duration::from_secs_f64(index as f64 / self.per_second as f64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            from.send(nanos(clock.elapsed()))?;
        }
        Ok(())
    }
}
