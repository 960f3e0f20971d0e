//! A second opinion: the load generators that Apache Kafka brings, and the rates they print.

use super::{Settings, client, topic};
use crate::job::{Job, Loaded, Meter};
use crate::{peer, process};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    ProducerPerformance,
    ConsumerPerformance,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Perf {
    pub tool: Tool,
    pub topic: String,
    pub records: u64,
    /// Only what is produced has a size that can be chosen; otherwise it says what was.
    pub record_bytes: u64,
}

impl Perf {
    pub fn carry_out(&self, job: &Job) -> Result<Loaded> {
        let address = job.kafka()?;
        topic::make(&client(address, &Settings::new()), &self.topic, 1)?;
        let mut command = self.command(job, address);
        let meter = Meter::start(job)?;
        let before = process::children_cpu_seconds()?;
        let output = command
            .stdin(Stdio::null())
            .output()
            .context("running java")?;
        let cpu = process::children_cpu_seconds()? - before;
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{:?} failed: {said}{errors}",
            self.tool
        );
        let line = said.trim().lines().next_back().unwrap_or_default();
        let rate = self
            .rate(line)
            .with_context(|| format!("no rate in {said:?}"))?;
        let mut loaded = meter.end(self.records, self.records * self.record_bytes)?;
        // The tool's own time: starting Java and joining a group are no part of it.
        loaded.seconds = self.records as f64 / rate;
        loaded.client_cpu_s = cpu;
        loaded.client_busiest = 0.0;
        loaded.note = Some(line.to_owned());
        Ok(loaded)
    }

    fn command(&self, job: &Job, address: &str) -> Command {
        let mut command = Command::new("java");
        command
            .args([
                "-Xmx512M",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                "-cp",
            ])
            .arg(peer::kafka_libraries(&job.cache));
        let records = self.records.to_string();
        let common = ["--topic", &self.topic, "--bootstrap-server", address];
        match self.tool {
            Tool::ProducerPerformance => command
                .arg("org.apache.kafka.tools.ProducerPerformance")
                .args(common)
                .args([
                    "--num-records",
                    &records,
                    "--throughput",
                    "-1",
                    "--record-size",
                ])
                .arg(self.record_bytes.to_string()),
            Tool::ConsumerPerformance => command
                .arg("org.apache.kafka.tools.ConsumerPerformance")
                .args(common)
                .args(["--num-records", &records, "--hide-header"]),
        };
        command
    }

    /// `500000 records sent, 248138.9 records/sec (…` of the one, the last column of the other.
    fn rate(&self, line: &str) -> Option<f64> {
        let text = match self.tool {
            Tool::ProducerPerformance => {
                line.split(", ")
                    .find_map(|part| part.split_once(" records/sec"))?
                    .0
            }
            Tool::ConsumerPerformance => line.rsplit(", ").next()?,
        };
        text.trim().parse().ok()
    }
}
