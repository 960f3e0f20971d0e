//! Reading through a store in memory: trimmed logs, open batches.

use super::*;
use crate::clock::Clock;
use crate::kinesis::page::tests::values;
use crate::store::{
    AppendTimes, Batch, BatchBuilder, Caller, Memory, NewBatch, NewStream, Settings, Shard, Store,
    Stream, Timestamp, View,
};

struct Fixture {
    view: View,
    stream: Arc<Stream>,
    reader: Reader,
}

impl Fixture {
    async fn new() -> Fixture {
        let clock = Clock::fixed(Timestamp(1_700_000_000_000));
        let store = Store::new(Arc::new(Memory::new(clock.clone(), 1 << 30)), clock);
        let view = store.view();
        let settings = Settings::default();
        let new = NewStream {
            name: "orders".into(),
            partition_count: 1,
            settings,
        };
        let stream = view.create_stream(new).await.expect("a new stream");
        Fixture {
            view,
            stream,
            reader: Reader::new(1 << 20),
        }
    }

    fn shard(&self) -> Arc<Shard> {
        Arc::new(self.stream.shards[0].clone())
    }

    fn partition(&self) -> Partition {
        self.view
            .partition(&self.stream, self.shard().partition)
            .expect("the only one")
    }

    /// Appends one batch of these values.
    async fn append(&self, values: &[&str]) {
        let mut builder = BatchBuilder::new();
        for value in values {
            builder.push(None, Some(value.as_bytes()), &[]);
        }
        let batch = builder.finish().expect("some values");
        let partition = self.partition().id();
        let new = NewBatch {
            partition,
            batch,
            times: AppendTimes::Created,
        };
        self.view
            .append(vec![new], Caller::GoesOn)
            .await
            .remove(0)
            .expect("it is stored");
    }

    async fn read(&self, from: u64, count_max: usize) -> Page {
        let end = self
            .partition()
            .status()
            .expect("it is there")
            .high_watermark;
        let page = Page::new(self.shard(), Offset(from), end, count_max);
        self.reader
            .fill(&self.partition(), page)
            .await
            .expect("a page")
    }
}

#[tokio::test]
async fn a_trimmed_position_goes_on_at_the_horizon_even_inside_a_batch() {
    let fixture = Fixture::new().await;
    fixture.append(&["a", "b", "c"]).await;
    fixture.append(&["d"]).await;
    fixture
        .partition()
        .trim(Offset(2))
        .await
        .expect("within the log");
    assert_eq!(values(fixture.read(0, 10).await), [b"c", b"d"]);
}

#[tokio::test]
async fn a_position_beyond_the_tip_reads_nothing_and_stays() {
    let fixture = Fixture::new().await;
    fixture.append(&["a"]).await;
    let page = fixture.read(7, 10).await;
    assert_eq!((page.records.count(), page.next), (0, Offset(7)));
}

#[tokio::test]
async fn open_batches_are_taken_up_again_and_bounded_in_number() {
    let fixture = Fixture::new().await;
    fixture.append(&["a", "b", "c"]).await;
    let opened = || fixture.reader.opened.lock().len();
    assert_eq!(values(fixture.read(0, 1).await), [b"a"]);
    assert_eq!(opened(), 1);
    assert_eq!(values(fixture.read(1, 1).await), [b"b"]);
    assert_eq!(opened(), 1);
    assert_eq!(values(fixture.read(2, 1).await), [b"c"]);
    assert_eq!(opened(), 0);
    for _ in 0..2 * OPENED_MAX {
        fixture.read(0, 1).await;
    }
    assert_eq!(opened(), OPENED_MAX);
}

/// A batch of records that are all zeros, packed by zstd.
fn packed(count: usize, value_bytes: usize) -> Batch {
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        builder.push(None, Some(&vec![0; value_bytes][..]), &[]);
    }
    let plain = builder.finish().expect("some values").into_bytes();
    let (header, records) = plain.split_at(61);
    let mut bytes = header.to_vec();
    bytes.extend(zstd::encode_all(records, 1).expect("zstd"));
    let length = i32::try_from(bytes.len() - 12).expect("a small batch");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = 4;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::parse(bytes.into()).expect("a batch")
}

#[tokio::test]
async fn open_batches_are_bounded_by_what_their_windows_hold() {
    let fixture = Fixture::new().await;
    let partition = fixture.partition().id();
    for _ in 0..2 {
        let new = NewBatch {
            partition,
            batch: packed(40, 1_000_000),
            times: AppendTimes::Created,
        };
        let stored = fixture
            .view
            .append(vec![new], Caller::GoesOn)
            .await
            .remove(0);
        stored.expect("it is stored");
    }
    let kept = || {
        let opened = fixture.reader.opened.lock();
        opened
            .iter()
            .map(|((_, next), _)| next.0)
            .collect::<Vec<_>>()
    };

    // What is expanded behind the place that a page ends at counts.
    for from in [0, 20] {
        fixture.read(from, 9).await;
    }
    assert_eq!(kept(), [9, 29]);
    fixture.read(70, 9).await;

    assert_eq!(kept(), [79]);
}
