//! One load: what a child process is told, what it measures around the work, what it tells back.

use crate::{kafka, kinesis, process};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A load and the server that it goes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// `host:port` of the Kafka listener.
    pub kafka: Option<String>,
    /// `http://host:port` of the Kinesis listener.
    pub kinesis: Option<String>,
    /// Whose processor time is measured.
    pub server_pid: Option<u32>,
    /// Where the peers are installed.
    pub cache: PathBuf,
    pub load: Load,
}

/// Every kind of load; its fields bound it in count and in time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Load {
    KafkaProduce(kafka::Produce),
    KafkaConsume(kafka::Consume),
    KafkaLatency(kafka::Latency),
    KafkaPerf(kafka::Perf),
    Kinesis(kinesis::Load),
}

/// What came of a load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Loaded {
    pub records: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub client_cpu_s: f64,
    /// Share of the time for which the busiest thread of the client ran.
    pub client_busiest: f64,
    pub server_cpu_s: f64,
    pub server_switches: u64,
    /// From sending to receiving, or to the answer where nothing is received.
    pub latencies: Option<Latencies>,
    /// From sending to the acknowledgement, where both are measured.
    pub ack: Option<Latencies>,
    pub note: Option<String>,
}

impl Loaded {
    /// A thread of the client that was gone before the measurement ended.
    pub fn count_ended_thread(&mut self, cpu: Duration) {
        let share = cpu.as_secs_f64() / self.seconds.max(1e-9);
        self.client_busiest = self.client_busiest.max(share);
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latencies {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    pub count: u64,
}

impl Latencies {
    /// Of nanoseconds in any order; `None` if there are none.
    pub fn of(mut nanos: Vec<u64>) -> Option<Latencies> {
        nanos.sort_unstable();
        let last = nanos.len().checked_sub(1)?;
        let at = |share: f64| nanos[(last as f64 * share).round() as usize] as f64 / 1e6;
        Some(Latencies {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
            count: nanos.len() as u64,
        })
    }
}

pub fn carry_out(job: &Job) -> Result<Loaded> {
    match &job.load {
        Load::KafkaProduce(load) => load.carry_out(job),
        Load::KafkaConsume(load) => load.carry_out(job),
        Load::KafkaLatency(load) => load.carry_out(job),
        Load::KafkaPerf(load) => load.carry_out(job),
        Load::Kinesis(load) => load.carry_out(job),
    }
}

impl Job {
    pub fn kafka(&self) -> Result<&str> {
        self.kafka
            .as_deref()
            .context("this load needs a Kafka address")
    }

    pub fn kinesis(&self) -> Result<&str> {
        self.kinesis
            .as_deref()
            .context("this load needs a Kinesis address")
    }
}

/// Measures from its start to its end, so that connecting and creating stay outside.
pub struct Meter {
    server_pid: Option<u32>,
    began: Instant,
    client_cpu: Duration,
    threads: Vec<(String, f64)>,
    server_cpu_s: f64,
    server_switches: u64,
}

impl Meter {
    pub fn start(job: &Job) -> Result<Meter> {
        let server_cpu_s = job.server_pid.map_or(Ok(0.0), process::cpu_seconds)?;
        Ok(Meter {
            server_pid: job.server_pid,
            threads: process::threads_cpu_seconds(),
            server_switches: job.server_pid.map_or(0, process::switches),
            server_cpu_s,
            client_cpu: process::own_cpu(),
            began: Instant::now(),
        })
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends the measurement. Threads of the client that have ended by now are not seen.
    pub fn end(self, records: u64, bytes: u64) -> Result<Loaded> {
        let seconds = self.began.elapsed().as_secs_f64();
        let client_cpu = process::own_cpu().saturating_sub(self.client_cpu);
        let server_cpu_s = self.server_pid.map_or(Ok(0.0), process::cpu_seconds)?;
        let switches = self.server_pid.map_or(0, process::switches);
        Ok(Loaded {
            records,
            bytes,
            seconds,
            client_cpu_s: client_cpu.as_secs_f64(),
            client_busiest: self.busiest(seconds),
            server_cpu_s: server_cpu_s - self.server_cpu_s,
            server_switches: switches.saturating_sub(self.server_switches),
            ..Loaded::default()
        })
    }

    fn busiest(&self, seconds: f64) -> f64 {
        let before = |id: &String| {
            let known = self.threads.iter().find(|(known, _)| known == id);
            known.map_or(0.0, |(_, seconds)| *seconds)
        };
        let now = process::threads_cpu_seconds();
        let used = now.iter().map(|(id, seconds)| seconds - before(id));
        used.fold(0.0, f64::max) / seconds.max(1e-9)
    }
}
