//! Creating and deleting streams through both protocols while the server is killed.

use crate::chance::Chance;
use crate::ledger::{Ledger, Shared, StreamState};
use crate::round::Stop;
use anyhow::{Context, Result};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use braid_clients::kafka::{REQUEST_WAIT, client_of};
use braid_clients::sequence::Sequence;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::time::Duration;

/// Partitions of the stream that everybody writes to.
pub const PARTITIONS: i32 = 4;
/// Names that are created and deleted over and over.
const NAMES: usize = 6;
const ADMIN_WAIT: Duration = Duration::from_secs(3);

/// Ends the stream that everybody wrote to.
pub async fn delete_main(address: &str, name: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client_of(address, &[]).create()?;
    let options = AdminOptions::new().request_timeout(Some(REQUEST_WAIT));
    let answers = admin.delete_topics(&[name], &options).await?;
    let answer = answers.into_iter().next().context("no answer")?;
    answer.map_err(|(name, code)| anyhow::anyhow!("deleting {name}: {code}"))?;
    Ok(())
}

/// Creates the stream that everybody writes to.
pub async fn create_main(address: &str, name: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client_of(address, &[]).create()?;
    let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
    let options = AdminOptions::new().request_timeout(Some(REQUEST_WAIT));
    let answers = admin.create_topics([&topic], &options).await?;
    let answer = answers.into_iter().next().context("no answer")?;
    answer.map_err(|(name, code)| anyhow::anyhow!("creating {name}: {code}"))?;
    Ok(())
}

/// Makes and ends streams by turns until told to stop or until the server ends.
pub struct Changes {
    pub kafka: AdminClient<DefaultClientContext>,
    pub kinesis: Client,
    pub ledger: Shared,
    pub chance: Chance,
}

impl Changes {
    pub async fn run(mut self, stop: Stop) -> Result<()> {
        let mut turn = 0;
        while !stop.is_set() {
            turn += 1;
            let name = format!("changing-{}", self.chance.index(NAMES));
            let state = known(&self.ledger.lock(), &name);
            let wanted = match state {
                Some(StreamState::Exists { .. }) => StreamState::Deleted,
                Some(StreamState::Deleted) | None => StreamState::Exists {
                    partitions: 1 + self.chance.index(3),
                },
            };
            self.asked(&name, &wanted);
            let done = match turn % 2 {
                0 => self.through_kafka(&name, &wanted).await,
                _ => self.through_kinesis(&name, &wanted).await,
            };
            if !done {
                return Ok(());
            }
            self.acknowledged(&name, &wanted);
            if wanted != StreamState::Deleted {
                self.first_record(&name, turn).await?;
            }
        }
        Ok(())
    }

    fn asked(&self, name: &str, wanted: &StreamState) {
        let mut ledger = self.ledger.lock();
        let known = ledger.streams.entry(name.to_owned()).or_default();
        known.asked(wanted.clone());
        ledger.first_records.remove(name);
    }

    fn acknowledged(&self, name: &str, wanted: &StreamState) {
        let mut ledger = self.ledger.lock();
        let known = ledger.streams.entry(name.to_owned()).or_default();
        known.acknowledged(wanted.clone());
        ledger.acknowledged_streams += 1;
    }

    async fn through_kafka(&self, name: &str, wanted: &StreamState) -> bool {
        let options = AdminOptions::new()
            .request_timeout(Some(ADMIN_WAIT))
            .operation_timeout(Some(ADMIN_WAIT));
        let answers = match wanted {
            StreamState::Exists { partitions } => {
                let partitions = i32::try_from(*partitions).unwrap_or(1);
                let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
                self.kafka.create_topics([&topic], &options).await
            }
            StreamState::Deleted => self.kafka.delete_topics(&[name], &options).await,
        };
        match answers.as_deref() {
            Ok([Ok(_)]) => true,
            Ok([Err((_, code))]) => self.unexpected(name, wanted, &code.to_string()),
            _ => false,
        }
    }

    async fn through_kinesis(&self, name: &str, wanted: &StreamState) -> bool {
        let refused = match wanted {
            StreamState::Exists { partitions } => {
                let shards = i32::try_from(*partitions).unwrap_or(1);
                let create = self
                    .kinesis
                    .create_stream()
                    .stream_name(name)
                    .shard_count(shards);
                match create.send().await {
                    Ok(_) => return true,
                    Err(error) => error.into_service_error().to_string(),
                }
            }
            StreamState::Deleted => {
                match self.kinesis.delete_stream().stream_name(name).send().await {
                    Ok(_) => return true,
                    Err(error) => error.into_service_error().to_string(),
                }
            }
        };
        self.unexpected(name, wanted, &refused)
    }

    /// A refusal that contradicts what was acknowledged is the server's mistake.
    fn unexpected(&self, name: &str, wanted: &StreamState, refusal: &str) -> bool {
        let contradicts = refusal.contains("Exists")
            || refusal.contains("ResourceInUse")
            || refusal.contains("ResourceNotFound")
            || refusal.contains("UnknownTopic");
        if contradicts {
            let problem = format!("{name}, to become {wanted:?}: {refusal}");
            self.ledger.lock().problems.insert(problem);
        }
        false
    }

    /// One record, put as soon as the stream is there.
    async fn first_record(&self, name: &str, turn: usize) -> Result<()> {
        let value = format!("first-of-{name}-{turn}");
        let put = self
            .kinesis
            .put_record()
            .stream_name(name)
            .explicit_hash_key("0");
        let put = put
            .partition_key("k")
            .data(Blob::new(value.clone()))
            .send()
            .await;
        let Ok(put) = put else { return Ok(()) };
        let offset = Sequence::parse(&put.sequence_number)?.offset;
        self.ledger
            .lock()
            .first_records
            .insert(name.to_owned(), (value, offset));
        Ok(())
    }
}

fn known(ledger: &Ledger, name: &str) -> Option<StreamState> {
    ledger
        .streams
        .get(name)
        .and_then(|known| known.acknowledged.clone())
}

/// Every stream and its number of partitions, which both protocols must tell alike.
pub async fn found(address: &str, kinesis: &Client) -> Result<BTreeMap<String, usize>> {
    let looker: BaseConsumer = client_of(address, &[]).create()?;
    let metadata = looker.fetch_metadata(None, REQUEST_WAIT)?;
    let topics = metadata.topics().iter();
    let by_kafka: BTreeMap<String, usize> = topics
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect();
    let mut by_kinesis = BTreeMap::new();
    let names = kinesis.list_streams().send().await?.stream_names;
    for name in names {
        let shards = kinesis.list_shards().stream_name(&name).send().await;
        let shards = shards.with_context(|| format!("ListShards of {name}"))?;
        by_kinesis.insert(name, shards.shards().len());
    }
    anyhow::ensure!(
        by_kafka == by_kinesis,
        "topics {by_kafka:?}, streams {by_kinesis:?}"
    );
    Ok(by_kafka)
}
