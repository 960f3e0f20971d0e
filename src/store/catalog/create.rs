//! New streams: laid out, and put into the catalogue together.

use super::put;
use crate::store::engine::{Atom, Expect, Intent, Refusal};
use crate::store::error::StoreError;
use crate::store::settings::Settings;
use crate::store::shard::{HashRange, Shard};
use crate::store::state::{Counter, Key, Value};
use crate::store::stream::Stream;
use crate::store::view::View;
use crate::store::{
    Name, Offset, PartitionId, PartitionIndex, ShardNumber, Stamp, StreamId, Timestamp,
};
use std::sync::Arc;

/// The first stamp ever given out (design §3).
const STAMP_FIRST: u64 = 1_420_070_400;

/// What a stream is made from.
#[derive(Clone, Debug)]
pub struct NewStream {
    pub name: Name,
    /// At least 1.
    pub partition_count: u32,
    pub settings: Settings,
}

impl View {
    /// Makes a stream and waits until it is durable.
    pub async fn create_stream(&self, new: NewStream) -> Result<Arc<Stream>, StoreError> {
        let made = self.create_streams(vec![new]).await;
        made.into_iter().next().expect("one outcome for each")
    }

    /// Makes streams by one commit, and waits until it is durable. One whose name is taken is left
    /// out, and it alone.
    pub async fn create_streams(
        &self,
        new: Vec<NewStream>,
    ) -> Vec<Result<Arc<Stream>, StoreError>> {
        let mut outcomes = vec![None; new.len()];
        loop {
            let is_due = |at: &usize| outcomes[*at].is_none();
            let due: Vec<usize> = (0..new.len()).filter(is_due).collect();
            if due.is_empty() {
                return outcomes.into_iter().flatten().collect();
            }
            let (streams, atom) = self.lay_out(due.iter().map(|at| &new[*at]));
            let failed = match self.commit(atom).await {
                Ok(Ok(_)) => {
                    for (at, stream) in due.into_iter().zip(streams) {
                        outcomes[at] = Some(Ok(stream));
                    }
                    continue;
                }
                Ok(Err(Refusal::Unexpected { key })) => {
                    let is_it = |at: &usize| key == Key::Stream(new[*at].name.clone());
                    // If it is none of them, others took the numbers first: take the next ones.
                    if let Some(at) = due.into_iter().find(is_it) {
                        outcomes[at] = Some(Err(StoreError::StreamExists(new[at].name.clone())));
                    }
                    continue;
                }
                Ok(Err(refusal)) => refusal.into(),
                Err(error) => error,
            };
            for at in due {
                outcomes[at] = Some(Err(failed.clone()));
            }
        }
    }

    /// The streams with their ids, partitions and shards, and what puts them into the catalogue.
    fn lay_out<'a>(&self, new: impl Iterator<Item = &'a NewStream>) -> (Vec<Arc<Stream>>, Atom) {
        let partitions = self.counter(Counter::Partition, 1);
        let stamps = self.counter(Counter::Stamp, STAMP_FIRST);
        let created = self.store.clock.now();
        let (mut next_partition, mut next_stamp) = (partitions.next, stamps.next);
        let mut streams = Vec::new();
        for new in new {
            let end = next_partition + u64::from(new.partition_count);
            let ids = (next_partition..end).map(PartitionId).collect();
            streams.push(Arc::new(laid_out(new, ids, Stamp(next_stamp), created)));
            (next_partition, next_stamp) = (end, next_stamp + 1);
        }
        let mut atom: Atom = streams.iter().flat_map(named).collect();
        atom.push(partitions.advanced_to(next_partition));
        atom.push(stamps.advanced_to(next_stamp));
        let partitions = streams.iter().flat_map(|stream| &stream.partitions);
        atom.extend(partitions.map(|&partition| Intent::Open { partition }));
        (streams, atom)
    }
}

/// A stream under its name and under its id, both of them new.
fn named(stream: &Arc<Stream>) -> [Intent; 2] {
    let name = stream.name.clone();
    let by_name = Value::Stream(stream.clone());
    [
        put(Key::Stream(name.clone()), by_name, Expect::Absent),
        put(
            Key::StreamName(stream.id),
            Value::StreamName(name),
            Expect::Absent,
        ),
    ]
}

fn laid_out(
    new: &NewStream,
    partitions: Vec<PartitionId>,
    stamp: Stamp,
    created: Timestamp,
) -> Stream {
    let shard = |(number, range): (u32, HashRange)| Shard {
        number: ShardNumber(number),
        partition: PartitionIndex(number),
        range,
        stamp,
        first: Offset(0),
        created,
        closed: None,
        parents: Vec::new(),
    };
    let ranges = HashRange::uniform(new.partition_count);
    Stream {
        name: new.name.clone(),
        id: StreamId::random(),
        created,
        partitions,
        shards: (0..).zip(ranges).map(shard).collect(),
        settings: new.settings.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::{Memory, Store};

    fn stream(name: &str) -> NewStream {
        NewStream {
            name: name.into(),
            partition_count: 2,
            settings: Settings::default(),
        }
    }

    #[tokio::test]
    async fn of_streams_made_together_only_those_whose_name_is_taken_are_refused() {
        let clock = Clock::system();
        let store = Store::new(Arc::new(Memory::new(clock.clone(), 1 << 20)), clock);
        let view = store.view();
        let old = view.create_stream(stream("b")).await.expect("a new name");

        let made = view
            .create_streams(["a", "b", "c", "c"].map(stream).to_vec())
            .await;

        let exists = |name: &str| Some(StoreError::StreamExists(name.into()));
        let refused: Vec<_> = made.iter().map(|made| made.clone().err()).collect();
        assert_eq!(refused, [None, exists("b"), exists("c"), None]);
        let mut streams: Vec<_> = made.into_iter().flatten().collect();
        assert_eq!(view.stream("a"), Ok(streams[0].clone()));
        assert_eq!(view.stream("b"), Ok(old.clone()));
        streams.push(old);
        let mut ids: Vec<_> = streams.iter().flat_map(|s| s.partitions.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 6, "no partition is shared");
    }
}
