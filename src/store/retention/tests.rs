//! Retention on the memory engine, under a clock that stands still.

use super::*;
use crate::clock::Clock;
use crate::store::Group;
use crate::store::batch::Batch;
use crate::store::catalog::NewStream;
use crate::store::engine::{AppendTimes, Memory};
use crate::store::lease::NewCommit;
use crate::store::partition::{Caller, NewBatch};
use crate::store::stream::Stream;
use bytes::Bytes;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const RETENTION: Retention = Retention {
    check_ms: 1,
    offsets_ms: 1_000,
};

struct Fixture {
    clock: Clock,
    store: Arc<Store>,
    stream: Arc<Stream>,
}

impl Fixture {
    async fn with(settings: &[(&str, &str)]) -> Fixture {
        let clock = Clock::fixed(NOW);
        let store = Store::new(
            Arc::new(Memory::new(clock.clone(), u64::MAX)),
            clock.clone(),
        );
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let new = NewStream {
            name: "orders".into(),
            partition_count: 1,
            settings: Settings(settings.iter().map(text).collect()),
        };
        let stream = store.view().create_stream(new).await.unwrap();
        Fixture {
            clock,
            store,
            stream,
        }
    }

    fn partition(&self) -> Partition {
        let view = self.store.view();
        view.partition(&self.stream, PartitionIndex(0)).unwrap()
    }

    /// Appends a batch of two records and 100 bytes, a second after the one before.
    async fn append(&self) {
        self.clock.set(Timestamp(self.clock.now().0 + 1_000));
        let mut bytes = vec![0; 100];
        bytes[8..12].copy_from_slice(&88_i32.to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&1_i32.to_be_bytes());
        bytes[43..51].copy_from_slice(&(-1_i64).to_be_bytes());
        let new = NewBatch {
            partition: self.partition().id(),
            batch: Batch::trusted(bytes.into()),
            times: AppendTimes::Kept,
        };
        let placed = self.store.view().append(vec![new], Caller::GoesOn).await;
        assert!(placed[0].is_ok());
    }

    async fn log_start_after_a_round(&self) -> u64 {
        let now = self.clock.now();
        RETENTION.enforce(&self.store.view(), now).await.unwrap();
        self.partition().status().unwrap().log_start.0
    }

    async fn commit(&self, group: &str, expires: Option<Timestamp>) {
        let commit = Commit {
            stream: self.stream.id,
            offset: Offset(1),
            leader_epoch: -1,
            metadata: "".into(),
            at: self.clock.now(),
            expires,
        };
        let new = NewCommit {
            stream: self.stream.name.clone(),
            partition: PartitionIndex(0),
            commit,
        };
        let done = self.store.view().commit_offsets(group, vec![new]);
        done.await.unwrap();
    }

    async fn store_group(&self, name: &str, empty_since: Option<Timestamp>) {
        let group = Group {
            empty_since,
            membership: Bytes::new(),
        };
        self.store.view().put_group(name, group).await.unwrap();
    }

    async fn commits_left_after(&self, ms: i64, group: &str) -> usize {
        self.clock.set(Timestamp(NOW.0 + ms));
        let view = self.store.view();
        RETENTION.enforce(&view, self.clock.now()).await.unwrap();
        view.commits(group).len()
    }
}

#[tokio::test]
async fn records_go_when_their_arrival_is_older_than_the_retention() {
    let fixture = Fixture::with(&[("retention.ms", "2500")]).await;
    for _ in 0..5 {
        fixture.append().await;
    }
    assert_eq!(fixture.log_start_after_a_round().await, 4);
    assert_eq!(fixture.log_start_after_a_round().await, 4);
}

#[tokio::test]
async fn when_all_is_too_old_the_log_start_meets_the_end_and_goes_no_further() {
    let fixture = Fixture::with(&[("retention.ms", "2500")]).await;
    fixture.append().await;
    fixture.clock.set(Timestamp(NOW.0 + 100_000));
    assert_eq!(fixture.log_start_after_a_round().await, 2);
    fixture.append().await;
    assert_eq!(fixture.log_start_after_a_round().await, 2);
}

#[tokio::test]
async fn records_are_kept_for_ever_when_the_stream_says_so() {
    let fixture = Fixture::with(&[("retention.ms", "-1")]).await;
    fixture.append().await;
    fixture.clock.set(Timestamp(NOW.0 * 10));
    assert_eq!(fixture.log_start_after_a_round().await, 0);
}

#[tokio::test]
async fn the_oldest_records_go_when_a_partition_is_too_large() {
    let fixture = Fixture::with(&[("retention.bytes", "250")]).await;
    for _ in 0..5 {
        fixture.append().await;
    }
    assert_eq!(fixture.log_start_after_a_round().await, 6);
}

#[tokio::test]
async fn the_newest_batch_stays_however_small_the_bound() {
    let fixture = Fixture::with(&[("retention.bytes", "10")]).await;
    fixture.append().await;
    fixture.append().await;
    assert_eq!(fixture.log_start_after_a_round().await, 2);
}

#[tokio::test]
async fn a_stream_that_is_only_compacted_loses_nothing() {
    let fixture = Fixture::with(&[("retention.bytes", "10"), ("cleanup.policy", "compact")]).await;
    fixture.append().await;
    fixture.append().await;
    assert_eq!(fixture.log_start_after_a_round().await, 0);
}

#[tokio::test]
async fn the_offsets_of_an_empty_group_go_with_the_group() {
    let fixture = Fixture::with(&[]).await;
    fixture.store_group("g", Some(NOW)).await;
    fixture.commit("g", None).await;
    assert_eq!(fixture.commits_left_after(999, "g").await, 1);
    assert_eq!(fixture.commits_left_after(1_000, "g").await, 0);
    assert_eq!(fixture.store.view().group("g"), None);
}

#[tokio::test]
async fn the_offsets_of_a_group_with_members_stay() {
    let fixture = Fixture::with(&[]).await;
    fixture.store_group("g", None).await;
    fixture.commit("g", None).await;
    assert_eq!(fixture.commits_left_after(100_000, "g").await, 1);
}

#[tokio::test]
async fn offsets_without_a_group_go_some_time_after_the_commit() {
    let fixture = Fixture::with(&[]).await;
    fixture.commit("g", None).await;
    assert_eq!(fixture.commits_left_after(999, "g").await, 1);
    fixture.commit("g", None).await;
    assert_eq!(fixture.commits_left_after(1_998, "g").await, 1);
    assert_eq!(fixture.commits_left_after(1_999, "g").await, 0);
}

#[tokio::test]
async fn an_offset_goes_by_its_own_time_if_its_commit_named_one() {
    let fixture = Fixture::with(&[]).await;
    fixture.store_group("g", Some(NOW)).await;
    fixture.commit("g", Some(Timestamp(NOW.0 + 10))).await;
    assert_eq!(fixture.commits_left_after(9, "g").await, 1);
    assert_eq!(fixture.commits_left_after(10, "g").await, 0);
    assert!(fixture.store.view().group("g").is_some());
}
