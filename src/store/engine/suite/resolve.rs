//! Turns the small numbers of a wish into an intent that means something in the state at hand.

use super::bytes::{Shape, noise};
use super::model::{State, Writer};
use super::ops::{AppendWant, ExpectWant, SeekWant, Sequence, ValueWant, Want};
use crate::store::Timestamp;
use crate::store::batch::ProducerSequence;
use crate::store::engine::{Append, Expect, Intent, Seek};
use crate::store::settings::Settings;
use crate::store::state::{Commit, CommitKey, Counter, Group, Key, Value};
use crate::store::stream::Stream;
use crate::store::{Name, Offset, PartitionId, PartitionIndex, Position, ProducerId, StreamId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Different keys that the suite uses.
pub const KEYS: u8 = 24;
/// A partition that never was.
const NOWHERE: PartitionId = PartitionId(u64::MAX / 2);

/// Partitions that were ever opened, or tried to be.
#[derive(Default)]
pub struct Known(pub Vec<PartitionId>);

impl Known {
    pub fn pick(&self, chosen: u8) -> PartitionId {
        if chosen == u8::MAX || self.0.is_empty() {
            return NOWHERE;
        }
        self.0[usize::from(chosen) % self.0.len()]
    }

    fn add(&mut self) -> PartitionId {
        let partition = PartitionId(1 + self.0.len() as u64);
        self.0.push(partition);
        partition
    }
}

/// What `want` is in `state`.
pub fn intent(want: &Want, state: &State, known: &mut Known, now: Timestamp) -> Intent {
    match want {
        Want::Append(append) => Intent::Append(resolve_append(append, state, known, now)),
        Want::Put { key, value, expect } => {
            let key = self::key(*key);
            Intent::Put {
                value: resolve_value(&key, *value),
                expect: resolve_expect(&key, *expect, state),
                key,
            }
        }
        Want::Require { key, expect } => {
            let key = self::key(*key);
            let expect = resolve_expect(&key, *expect, state);
            Intent::Require { key, expect }
        }
        Want::Open => Intent::Open {
            partition: known.add(),
        },
        Want::Trim {
            partition,
            sixteenths,
        } => {
            let partition = known.pick(*partition);
            let part = state.partitions.get(&partition);
            let (start, end) = part.map_or((0, 0), |part| (part.log_start, part.next));
            let to = match sixteenths {
                17 => end + 1,
                some => start + (end - start) * u64::from(*some) / 16,
            };
            let to = Offset(to);
            Intent::Trim { partition, to }
        }
        Want::Drop { partition } => Intent::Drop {
            partition: known.pick(*partition),
        },
    }
}

fn resolve_append(want: &AppendWant, state: &State, known: &Known, now: Timestamp) -> Append {
    let partition = known.pick(want.partition);
    let named = want.named.map_or(partition, |named| known.pick(named));
    let mut span = u64::from(want.span);
    let producer = want.writer.map(|(writer, sequence)| {
        let id = ProducerId(100 + i64::from(writer));
        let part = state.partitions.get(&named);
        let arrival = state.partitions.get(&partition);
        let arrival = arrival.map_or(now.0, |part| part.last_arrival.max(now.0));
        match part.and_then(|part| part.writer(id.0, arrival)) {
            None => ProducerSequence {
                id,
                epoch: 3,
                first: if want.seed.is_multiple_of(4) {
                    i32::MAX - 3
                } else {
                    0
                },
            },
            Some(writer) => resolve_sequence(id, writer, sequence, &mut span),
        }
    });
    let shape = Shape {
        span: u32::try_from(span).expect("a small batch"),
        bytes: usize::from(want.bytes),
        seed: u64::from(want.seed),
        producer,
        max_timestamp: i64::from(want.seed) - 1,
    };
    Append {
        partition,
        named,
        batch: shape.batch(),
        times: want.times,
    }
}

fn resolve_sequence(
    id: ProducerId,
    writer: &Writer,
    sequence: Sequence,
    span: &mut u64,
) -> ProducerSequence {
    let newest = writer.sent.len() - 1;
    let due = writer.sent[newest].next();
    let (epoch, first) = match sequence {
        Sequence::Next => (writer.epoch, due),
        Sequence::Again(back) => match newest.checked_sub(usize::from(back)) {
            Some(at) => {
                *span = writer.sent[at].span;
                (writer.epoch, writer.sent[at].first)
            }
            None => (writer.epoch, (writer.sent[0].first - 1).max(0)),
        },
        Sequence::Gap(gap) => (writer.epoch, due.saturating_add(i32::from(gap))),
        Sequence::StaleEpoch => (writer.epoch - 1, due),
        Sequence::NewEpoch { first } => (writer.epoch + 1, i32::from(first)),
    };
    ProducerSequence { id, epoch, first }
}

/// One of [`KEYS`] keys, some of each table.
pub fn key(chosen: u8) -> Key {
    let chosen = chosen % KEYS;
    let third = chosen % 3;
    match chosen {
        0 => Key::Counter(Counter::Partition),
        1 => Key::Counter(Counter::Stamp),
        2 => Key::Counter(Counter::Producer),
        3..6 => Key::Stream(format!("stream-{third}").into()),
        6..9 => Key::StreamName(stream_id(third)),
        9..12 => Key::Group(format!("group-{third}").into()),
        _ => Key::Commit(CommitKey {
            group: format!("group-{third}").into(),
            stream: format!("stream-{}", chosen % 2).into(),
            partition: PartitionIndex(u32::from(chosen % 4)),
        }),
    }
}

fn stream_id(number: u8) -> StreamId {
    StreamId(uuid::Uuid::from_u128(u128::from(number)))
}

fn resolve_value(key: &Key, want: ValueWant) -> Option<Value> {
    let ValueWant::Bytes { count, seed } = want else {
        return None;
    };
    let text = || -> Name {
        let bytes = noise(u64::from(seed), usize::from(count) / 2);
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text.into()
    };
    let value = match key {
        Key::Counter(_) => Value::Counter(u64::from(seed) * 1_000_003),
        Key::Stream(name) => Value::Stream(Arc::new(Stream {
            name: name.clone(),
            id: stream_id(0),
            created: Timestamp(i64::from(seed)),
            partitions: vec![PartitionId(u64::from(seed)); usize::from(count % 50)],
            shards: Vec::new(),
            settings: Settings(BTreeMap::from([("text".into(), text().to_string())])),
        })),
        Key::StreamName(_) => Value::StreamName(text()),
        Key::Cluster => Value::Cluster(text()),
        Key::Group(_) => Value::Group(Arc::new(Group {
            empty_since: (seed % 2 == 0).then_some(Timestamp(i64::from(seed))),
            membership: noise(u64::from(seed), usize::from(count)),
        })),
        Key::Commit(_) => Value::Commit(Commit {
            stream: stream_id(1),
            offset: Offset(u64::from(seed)),
            leader_epoch: -1,
            metadata: text(),
            at: Timestamp(i64::from(seed)),
            expires: (seed % 3 == 0).then_some(Timestamp(i64::from(count))),
        }),
    };
    Some(value)
}

fn resolve_expect(key: &Key, want: ExpectWant, state: &State) -> Expect {
    let version = state.values.get(key).map(|(_, version)| *version);
    match (want, version) {
        (ExpectWant::Anything, _) => Expect::Anything,
        (ExpectWant::Absent, _) | (ExpectWant::Current, None) => Expect::Absent,
        (ExpectWant::Present, _) => Expect::Present,
        (ExpectWant::Current, Some(version)) => Expect::Version(version),
        (ExpectWant::Outdated, version) => {
            Expect::Version(Position(version.map_or(1, |version| version.0 - 1)))
        }
    }
}

/// A search for something near what is there.
pub fn seek(want: SeekWant, state: &State, partition: PartitionId) -> Seek {
    let batches = state.partitions.get(&partition).map(|part| &part.batches);
    let near = |chosen: u16| {
        let batches = batches.filter(|batches| !batches.is_empty())?;
        let info = batches[usize::from(chosen / 3) % batches.len()].info;
        Some((info, i64::from(chosen % 3) - 1))
    };
    match want {
        SeekWant::Arrival(chosen) => {
            let at = near(chosen).map_or(0, |(info, off)| info.arrival.0 + off);
            Seek::Arrival(Timestamp(at))
        }
        SeekWant::Timestamp(chosen) => {
            let at = near(chosen).map_or(0, |(info, off)| info.max_timestamp.0 + off);
            Seek::Timestamp(Timestamp(at))
        }
        SeekWant::MaxTimestamp => Seek::MaxTimestamp,
        SeekWant::Offset(chosen) => {
            let at = near(chosen).map_or(0, |(info, off)| info.base.0.saturating_add_signed(off));
            Seek::Offset(Offset(at))
        }
        SeekWant::TailBytes(bytes) => Seek::TailBytes(u64::from(bytes)),
    }
}
