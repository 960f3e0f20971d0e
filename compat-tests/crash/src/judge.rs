//! Compares what was kept with what was acknowledged; knows no server.

use crate::ledger::{Committed, Kind, Ledger, StreamState};
use crate::read::Log;
use std::collections::BTreeMap;

/// What a server holds, as read through both protocols.
#[derive(Clone, Default)]
pub struct Found {
    /// By partition, from offset 0.
    pub by_kafka: Vec<Log>,
    pub by_kinesis: Vec<Log>,
    pub commits: BTreeMap<(String, i32), Option<Committed>>,
    /// Streams besides the main one: partitions.
    pub streams: BTreeMap<String, usize>,
    pub first_records: BTreeMap<String, Option<(String, u64)>>,
}

/// Everything that must hold and does not, one sentence each; empty if all is well.
pub fn judge(ledger: &Ledger, found: &Found) -> Vec<String> {
    let mut wrong: Vec<String> = ledger.problems.iter().cloned().collect();
    for (partition, log) in found.by_kafka.iter().enumerate() {
        wrong.extend(dense(partition, log));
    }
    if found.by_kafka != found.by_kinesis {
        wrong.push(differing(&found.by_kafka, &found.by_kinesis));
    }
    wrong.extend(records(ledger, &found.by_kafka));
    wrong.extend(commits(ledger, found));
    wrong.extend(streams(ledger, found));
    wrong
}

fn dense(partition: usize, log: &Log) -> Option<String> {
    let mut places = log.iter().zip(0_u64..);
    let gap = places.find(|((offset, _), expected)| offset != expected)?;
    Some(format!(
        "partition {partition}: offset {} at place {}",
        gap.0.0, gap.1
    ))
}

fn differing(by_kafka: &[Log], by_kinesis: &[Log]) -> String {
    for (partition, (kafka, kinesis)) in by_kafka.iter().zip(by_kinesis).enumerate() {
        if kafka.len() != kinesis.len() {
            let (one, other) = (kafka.len(), kinesis.len());
            return format!("partition {partition}: {one} records by Kafka, {other} by Kinesis");
        }
        if let Some((one, other)) = kafka.iter().zip(kinesis).find(|(one, other)| one != other) {
            return format!("partition {partition}: {one:?} by Kafka, {other:?} by Kinesis");
        }
    }
    "the protocols tell different numbers of partitions".into()
}

fn records(ledger: &Ledger, logs: &[Log]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut places: BTreeMap<&str, (i32, u64)> = BTreeMap::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (partition, log) in (0_i32..).zip(logs) {
        for (offset, value) in log {
            let Some(sent) = ledger.sent.get(value) else {
                wrong.push(format!(
                    "{partition}/{offset} holds {value:?}, which nobody sent"
                ));
                continue;
            };
            if let Some(earlier) = places.insert(value, (partition, *offset)) {
                wrong.push(format!(
                    "{value} is at {earlier:?} and again at {partition}/{offset}"
                ));
            }
            if sent.kind == Kind::Idempotent {
                let expected = last.get(&*sent.writer).map_or(0, |number| number + 1);
                if sent.number != expected {
                    wrong.push(format!(
                        "{value} follows {expected} at {partition}/{offset}"
                    ));
                }
                last.insert(&sent.writer, sent.number);
            }
        }
    }
    for (value, sent) in &ledger.sent {
        let place = places.get(&**value).copied();
        if sent.acknowledged.is_some() && place != sent.acknowledged {
            let said = sent.acknowledged;
            wrong.push(format!(
                "{value} was acknowledged at {said:?} and is at {place:?}"
            ));
        }
    }
    wrong
}

fn commits(ledger: &Ledger, found: &Found) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, known) in &ledger.commits {
        let state = found.commits.get(key).cloned().flatten();
        if !known.allows(&state) {
            let last = &known.acknowledged;
            wrong.push(format!(
                "{key:?} was committed at {last:?} and is at {state:?}"
            ));
        }
    }
    wrong
}

fn streams(ledger: &Ledger, found: &Found) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, known) in &ledger.streams {
        let state = stream_state(found, name);
        let absent_from_the_start =
            state == Some(StreamState::Deleted) && known.acknowledged.is_none();
        if !absent_from_the_start && !known.allows(&state) {
            wrong.push(format!(
                "{name} should be {:?} and is {state:?}",
                known.acknowledged
            ));
        }
    }
    for name in found
        .streams
        .keys()
        .filter(|name| !ledger.streams.contains_key(*name))
    {
        wrong.push(format!("{name} was never asked for"));
    }
    for (name, record) in &ledger.first_records {
        // Whether the stream itself may be gone is judged above.
        let Some(kept) = found.first_records.get(name) else {
            continue;
        };
        if kept.as_ref() != Some(record) {
            wrong.push(format!(
                "{name} should begin with {record:?} and begins with {kept:?}"
            ));
        }
    }
    wrong
}

/// What a stream is, in the ledger's words.
pub fn stream_state(found: &Found, name: &str) -> Option<StreamState> {
    Some(match found.streams.get(name) {
        Some(partitions) => StreamState::Exists {
            partitions: *partitions,
        },
        None => StreamState::Deleted,
    })
}
