//! The catalogue: streams by name and by id, made, changed and ended.

use super::engine::{Atom, Expect, Intent, Refusal};
use super::error::StoreError;
use super::settings::Settings;
use super::shard::{HashRange, Shard};
use super::state::{Counter, Entry, Key, Value};
use super::stream::Stream;
use super::view::View;
use super::{Name, Offset, PartitionId, PartitionIndex, ShardNumber, Stamp, StreamId};
use std::sync::Arc;

/// The first stamp ever given out (design §3).
const STAMP_FIRST: u64 = 1_420_070_400;
/// Streams read from the catalogue in one scan.
const SCAN_COUNT: usize = 1024;

/// What a stream is made from.
#[derive(Clone, Debug)]
pub struct NewStream {
    pub name: Name,
    /// At least 1.
    pub partition_count: u32,
    pub settings: Settings,
}

impl View {
    pub fn stream(&self, name: &str) -> Result<Arc<Stream>, StoreError> {
        self.stream_entry(name).map(|(stream, _)| stream)
    }

    /// The stream with this id, `None` if it never was or is gone.
    pub fn stream_by_id(&self, id: StreamId) -> Option<Arc<Stream>> {
        match self.get(&Key::StreamName(id))?.value {
            Value::StreamName(name) => self.stream(&name).ok().filter(|stream| stream.id == id),
            _ => None,
        }
    }

    /// Streams in name order, from the first one after `after` on.
    pub fn streams(&self, after: Option<&str>, count_max: usize) -> Vec<Arc<Stream>> {
        // The smallest name behind `after` is `after` with the smallest character appended.
        let first = after.map_or_else(String::new, |name| format!("{name}\0"));
        let end = Key::StreamName(StreamId::default());
        let found = self.scan(Key::Stream(first.into())..end, count_max);
        found
            .into_iter()
            .filter_map(|(_, entry)| stream_of(entry))
            .collect()
    }

    /// All streams in name order.
    pub fn all_streams(&self) -> Vec<Arc<Stream>> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map(|stream: &Arc<Stream>| stream.name.clone());
            let page = self.streams(after.as_deref(), SCAN_COUNT);
            let is_last = page.len() < SCAN_COUNT;
            all.extend(page);
            if is_last {
                return all;
            }
        }
    }

    /// Makes a stream and waits until it is durable.
    pub async fn create_stream(&self, new: NewStream) -> Result<Arc<Stream>, StoreError> {
        loop {
            let partitions = self.counter(Counter::Partition, 1);
            let stamps = self.counter(Counter::Stamp, STAMP_FIRST);
            let stream = Arc::new(self.lay_out(&new, partitions.next, stamps.next));
            let name_key = Key::Stream(new.name.clone());
            let mut atom = vec![
                put(
                    name_key.clone(),
                    Value::Stream(stream.clone()),
                    Expect::Absent,
                ),
                put(
                    Key::StreamName(stream.id),
                    Value::StreamName(new.name.clone()),
                    Expect::Absent,
                ),
                partitions.advanced_by(u64::from(new.partition_count)),
                stamps.advanced_by(1),
            ];
            atom.extend(
                stream
                    .partitions
                    .iter()
                    .map(|&partition| Intent::Open { partition }),
            );
            match self.commit(atom).await? {
                Ok(_) => return Ok(stream),
                Err(Refusal::Unexpected { key }) if key == name_key => {
                    return Err(StoreError::StreamExists(new.name));
                }
                // Another stream took the numbers first: take the next ones.
                Err(Refusal::Unexpected { .. }) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// Ends a stream with its records and every offset that was committed in it.
    pub async fn delete_stream(&self, name: &str) -> Result<(), StoreError> {
        self.delete_if(name, |_| true).await
    }

    /// The same for this incarnation alone: a namesake that was made meanwhile stays.
    pub async fn delete_this_stream(&self, this: &Stream) -> Result<(), StoreError> {
        self.delete_if(&this.name, |found| found == this.id).await
    }

    async fn delete_if(
        &self,
        name: &str,
        is_meant: impl Fn(StreamId) -> bool,
    ) -> Result<(), StoreError> {
        loop {
            let (stream, entry) = self.stream_entry(name)?;
            if !is_meant(stream.id) {
                return Err(StoreError::UnknownStream(stream.name.clone()));
            }
            let expect = Expect::Version(entry.version);
            let mut atom = vec![
                Intent::Put {
                    key: Key::Stream(stream.name.clone()),
                    value: None,
                    expect,
                },
                remove(Key::StreamName(stream.id)),
            ];
            atom.extend(self.commits_of_stream(&stream.name).into_iter().map(remove));
            atom.extend(
                stream
                    .partitions
                    .iter()
                    .map(|&partition| Intent::Drop { partition }),
            );
            match self.commit(atom).await? {
                Ok(_) => return Ok(()),
                Err(Refusal::Unexpected { .. }) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// Replaces a stream's settings by what `change` makes of them, and waits until that is
    /// durable. `change` may be asked again if somebody else changed the stream meanwhile.
    pub async fn change_settings<E: From<StoreError>>(
        &self,
        name: &str,
        change: impl Fn(&Settings) -> Result<Settings, E>,
    ) -> Result<(), E> {
        loop {
            let (stream, entry) = self.stream_entry(name)?;
            let settings = change(&stream.settings)?;
            let changed = Stream {
                settings,
                ..(*stream).clone()
            };
            let expect = Expect::Version(entry.version);
            let key = Key::Stream(stream.name.clone());
            let atom = vec![put(key, Value::Stream(Arc::new(changed)), expect)];
            match self.commit(atom).await? {
                Ok(_) => return Ok(()),
                Err(Refusal::Unexpected { .. }) => {}
                Err(refusal) => return Err(StoreError::from(refusal).into()),
            }
        }
    }

    fn stream_entry(&self, name: &str) -> Result<(Arc<Stream>, Entry), StoreError> {
        let name = Name::from(name);
        let entry = self.get(&Key::Stream(name.clone()));
        let entry = entry.ok_or_else(|| StoreError::UnknownStream(name.clone()))?;
        let stream = stream_of(entry.clone()).ok_or(StoreError::UnknownStream(name))?;
        Ok((stream, entry))
    }

    fn lay_out(&self, new: &NewStream, first_partition: u64, stamp: u64) -> Stream {
        let created = self.store.clock.now();
        let shard = |(number, range): (u32, HashRange)| Shard {
            number: ShardNumber(number),
            partition: PartitionIndex(number),
            range,
            stamp: Stamp(stamp),
            first: Offset(0),
            created,
            closed: None,
            parents: Vec::new(),
        };
        let count = u64::from(new.partition_count);
        Stream {
            name: new.name.clone(),
            id: StreamId::random(),
            created,
            partitions: (first_partition..first_partition + count)
                .map(PartitionId)
                .collect(),
            shards: (0..)
                .zip(HashRange::uniform(new.partition_count))
                .map(shard)
                .collect(),
            settings: new.settings.clone(),
        }
    }

    /// Where a counter stands, ready to be advanced under that condition.
    pub(super) fn counter(&self, counter: Counter, first: u64) -> CounterAt {
        let key = Key::Counter(counter);
        match self.get(&key) {
            Some(Entry {
                value: Value::Counter(next),
                version,
            }) => CounterAt {
                key,
                next,
                expect: Expect::Version(version),
            },
            _ => CounterAt {
                key,
                next: first,
                expect: Expect::Absent,
            },
        }
    }
}

/// A counter as it was read.
pub(super) struct CounterAt {
    key: Key,
    pub next: u64,
    expect: Expect,
}

impl CounterAt {
    /// Takes the next `count` numbers, provided that nobody else has.
    pub fn advanced_by(&self, count: u64) -> Intent {
        put(
            self.key.clone(),
            Value::Counter(self.next + count),
            self.expect,
        )
    }
}

pub(super) fn put(key: Key, value: Value, expect: Expect) -> Intent {
    Intent::Put {
        key,
        value: Some(value),
        expect,
    }
}

pub(super) fn remove(key: Key) -> Intent {
    Intent::Put {
        key,
        value: None,
        expect: Expect::Anything,
    }
}

/// A lone intent as an atom reads better where it is committed.
pub(super) fn atom(intents: impl IntoIterator<Item = Intent>) -> Atom {
    intents.into_iter().collect()
}

fn stream_of(entry: Entry) -> Option<Arc<Stream>> {
    match entry.value {
        Value::Stream(stream) => Some(stream),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::{Memory, Store};

    #[tokio::test]
    async fn who_deletes_a_stream_that_is_gone_leaves_its_namesake_alone() {
        let clock = Clock::system();
        let store = Store::new(Arc::new(Memory::new(clock.clone(), 1 << 20)), clock);
        let new = NewStream {
            name: "orders".into(),
            partition_count: 1,
            settings: Settings::default(),
        };
        let view = store.view();
        let first = view.create_stream(new.clone()).await.expect("a new name");
        view.delete_stream("orders").await.expect("it is there");
        let second = view.create_stream(new).await.expect("a free name");

        let refused = view.delete_this_stream(&first).await;

        assert_eq!(refused, Err(StoreError::UnknownStream("orders".into())));
        let found = view.stream("orders").expect("the namesake");
        assert_eq!(found.id, second.id);
    }
}
