//! The store over an engine that answers late: nothing leans on immediate completion, and what a
//! request has seen holds its reply back until that is durable (design §8, invariant 8).

use super::delaying::Delaying;
use super::subject::BEGINNING;
use crate::clock::Clock;
use crate::store::catalog::NewStream;
use crate::store::settings::Settings;
use crate::store::view::Store;
use crate::store::{Group, PartitionIndex, StoreError};
use bytes::Bytes;
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::sync::Arc;

fn late() -> (Arc<Delaying>, Arc<Store>) {
    let clock = Clock::fixed(BEGINNING);
    let engine = Arc::new(Delaying::new(clock.clone(), 11));
    (engine.clone(), Store::new(engine, clock))
}

fn orders() -> NewStream {
    NewStream {
        name: "orders".into(),
        partition_count: 2,
        settings: Settings::default(),
    }
}

/// Drives `work` to its end while the engine lets it wait.
async fn patiently<T>(engine: &Delaying, work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    loop {
        if let Some(done) = (&mut work).now_or_never() {
            return done;
        }
        engine.make_durable();
        engine.answer();
    }
}

#[tokio::test]
async fn a_stream_is_made_no_earlier_than_it_is_durable() {
    let (engine, store) = late();
    let view = store.view();
    let mut making = Box::pin(view.create_stream(orders()));
    assert!((&mut making).now_or_never().is_none());

    let other = store.view();
    let stream = other.stream("orders").expect("it has its place");
    assert!(other.settle().now_or_never().is_none(), "seen, not durable");
    let unshown = other.partition(&stream, PartitionIndex(1)).expect("there");
    assert_eq!(unshown.status().err(), Some(StoreError::PartitionGone));

    engine.settle();
    assert_eq!(making.now_or_never(), Some(Ok(stream)));
    assert_eq!(other.settle().now_or_never(), Some(Ok(())));
    assert!(unshown.status().is_ok());
}

#[tokio::test]
async fn a_refusal_waits_for_what_it_is_based_on() {
    let (engine, store) = late();
    let (first, second) = (store.view(), store.view());
    let mut making = Box::pin(first.create_stream(orders()));
    assert!((&mut making).now_or_never().is_none());
    let mut again = Box::pin(second.create_stream(orders()));
    assert!(
        (&mut again).now_or_never().is_none(),
        "told before it is so"
    );

    engine.settle();
    let exists = StoreError::StreamExists("orders".into());
    assert_eq!(again.now_or_never(), Some(Err(exists)));
}

#[tokio::test]
async fn a_view_that_has_seen_nothing_new_never_waits() {
    let (engine, store) = late();
    patiently(&engine, store.view().create_stream(orders()))
        .await
        .expect("made");
    let group = Group {
        empty_since: None,
        membership: Bytes::new(),
    };
    let pending = store.view().put_group("g", group);

    let view = store.view();
    view.stream("orders").expect("made");
    assert_eq!(view.settle().now_or_never(), Some(Ok(())));
    drop(pending);
}

#[tokio::test]
async fn producer_ids_asked_for_at_once_are_all_different() {
    let (engine, store) = late();
    let ask = || async { store.view().new_producer_id().await.expect("an id") };
    let asking = futures_util::future::join_all((0..50).map(|_| ask()));
    let ids = patiently(&engine, asking).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 50);
}

#[tokio::test]
async fn streams_made_at_once_share_no_partition() {
    let (engine, store) = late();
    let make = |number: u32| {
        let view = store.view();
        let new = NewStream {
            name: format!("stream-{number}").into(),
            ..orders()
        };
        async move { view.create_stream(new).await.expect("made") }
    };
    let making = futures_util::future::join_all((0..10).map(make));
    let streams = patiently(&engine, making).await;
    let partitions = streams.iter().flat_map(|stream| stream.partitions.clone());
    assert_eq!(partitions.collect::<BTreeSet<_>>().len(), 20);
    let stamps: BTreeSet<_> = streams
        .iter()
        .map(|stream| stream.shards[0].stamp)
        .collect();
    assert_eq!(stamps.len(), 10);
}
