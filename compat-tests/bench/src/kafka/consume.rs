//! Reads topics that have been filled before, as fast as the server gives them.

use super::{Settings, client, topic};
use crate::job::{Job, Loaded, Meter};
use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Consume {
    pub topic: String,
    pub partitions: i32,
    /// How often everything is read from the beginning.
    pub passes: u32,
    /// The end, whichever comes first.
    pub records: u64,
    pub seconds_max: f64,
    pub settings: Settings,
}

impl Default for Consume {
    fn default() -> Consume {
        Consume {
            topic: "bench".into(),
            partitions: 1,
            passes: 1,
            records: u64::MAX,
            seconds_max: 20.0,
            settings: Settings::new(),
        }
    }
}

impl Consume {
    pub fn carry_out(&self, job: &Job) -> Result<Loaded> {
        let mut config = client(job.kafka()?, &Settings::new());
        config
            .set("group.id", "bench")
            .set("enable.auto.commit", "false");
        // The client asks on while it still has plenty, and never leaves the server alone for long.
        config.set("queued.min.messages", "1000000");
        config.set("queued.max.messages.kbytes", "131072");
        config.set("fetch.queue.backoff.ms", "1");
        // Going back to the beginning waits for the fetch that waits at the end.
        config.set("fetch.wait.max.ms", "5");
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        let consumer: BaseConsumer = config.create()?;
        let kept = topic::records(&config, &self.topic, self.partitions)?;
        ensure!(kept > 0, "{} is empty", self.topic);
        // The client takes a second to find its way to a partition that it has not read before.
        consumer.assign(&self.last_records()?)?;
        for _ in 0..self.partitions {
            consumer.poll(WAIT).context("no last record")??;
        }
        let meter = Meter::start(job)?;
        let (mut records, mut bytes) = (0, 0);
        for _ in 0..self.passes {
            self.seek_to_the_beginning(&consumer)?;
            let until = (records + kept).min(self.records);
            while records < until && meter.elapsed().as_secs_f64() < self.seconds_max {
                let message = consumer.poll(WAIT).context("no record")??;
                records += 1;
                bytes += message.payload_len() as u64;
            }
        }
        meter.end(records, bytes)
    }

    fn seek_to_the_beginning(&self, consumer: &BaseConsumer) -> Result<()> {
        for partition in 0..self.partitions {
            consumer.seek(&self.topic, partition, Offset::Beginning, WAIT)?;
        }
        Ok(())
    }

    fn last_records(&self) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            list.add_partition_offset(&self.topic, partition, Offset::OffsetTail(1))?;
        }
        Ok(list)
    }
}
