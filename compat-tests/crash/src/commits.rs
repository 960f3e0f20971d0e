//! A consumer that commits growing offsets, each with its own metadata.

use crate::ledger::Shared;
use crate::round::Stop;
use crate::streams::PARTITIONS;
use anyhow::{Context, Result};
use braid_clients::kafka::{REQUEST_WAIT, client_of};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

pub const GROUPS: [&str; 2] = ["crash-a", "crash-b"];

fn consumer(address: &str, group: &str) -> Result<BaseConsumer> {
    let settings = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("socket.timeout.ms", "3000"),
    ];
    Ok(client_of(address, &settings).create()?)
}

/// Commits until told to stop; blocks, so it has a thread of its own.
pub fn commit(
    address: &str,
    stream: &str,
    group: &str,
    ledger: &Shared,
    stop: &Stop,
) -> Result<()> {
    let consumer = consumer(address, group)?;
    let mut offset = start(group, ledger);
    while !stop.is_set() {
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            offset += 1;
            let metadata = format!("note {offset}");
            let mut element = list.add_partition(stream, partition);
            element.set_offset(Offset::Offset(offset))?;
            element.set_metadata(&metadata);
            let mut ledger = ledger.lock();
            let known = ledger
                .commits
                .entry((group.to_owned(), partition))
                .or_default();
            known.asked((offset, metadata));
        }
        let Ok(()) = consumer.commit(&list, CommitMode::Sync) else {
            return Ok(());
        };
        let mut ledger = ledger.lock();
        for element in list.elements() {
            let Some(offset) = element.offset().to_raw() else {
                continue;
            };
            let key = (group.to_owned(), element.partition());
            let known = ledger.commits.entry(key).or_default();
            known.acknowledged((offset, format!("note {offset}")));
            ledger.acknowledged_commits += 1;
        }
    }
    Ok(())
}

/// An offset above all that were ever asked for.
fn start(group: &str, ledger: &Shared) -> i64 {
    let ledger = ledger.lock();
    let known = ledger.commits.iter().filter(|((name, _), _)| name == group);
    let states = known.flat_map(|(_, known)| known.acknowledged.iter().chain(&known.possible));
    states.map(|state| state.0).max().unwrap_or_default()
}

/// The offsets and metadata that a group has committed.
pub fn found(address: &str, stream: &str, group: &str) -> Result<Vec<Option<(i64, String)>>> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(stream, 0, PARTITIONS - 1);
    let found = consumer(address, group)?.committed_offsets(asked, REQUEST_WAIT);
    let found = found.with_context(|| format!("fetching {group}'s offsets"))?;
    let mut states = Vec::new();
    for element in found.elements() {
        element.error()?;
        states.push(match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        });
    }
    Ok(states)
}
