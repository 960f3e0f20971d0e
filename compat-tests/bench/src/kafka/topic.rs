//! Topics as the loads need them: there, with a leader for every partition.

use anyhow::{Context, Result, anyhow, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(60);

/// Creates the topic unless it exists, and waits until every partition has a leader. False if it
/// was there before.
pub fn make(config: &ClientConfig, topic: &str, partitions: i32) -> Result<bool> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let options = AdminOptions::new()
        .request_timeout(Some(WAIT))
        .operation_timeout(Some(WAIT));
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let mut is_new = true;
    for outcome in wait_for(admin.create_topics([&new], &options))?? {
        match outcome {
            Ok(_) => {}
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => is_new = false,
            Err((topic, code)) => return Err(anyhow!("creating {topic}: {code}")),
        }
    }
    let deadline = Instant::now() + WAIT;
    while led(&admin, topic)? != partitions {
        ensure!(Instant::now() < deadline, "{topic} has too few leaders");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(is_new)
}

/// How many records a topic holds.
pub fn records(config: &ClientConfig, topic: &str, partitions: i32) -> Result<u64> {
    let mut config = config.clone();
    config.set("group.id", "bench");
    let consumer: BaseConsumer = config.create()?;
    let mut kept = 0;
    for partition in 0..partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, WAIT)?;
        kept += u64::try_from(high - low)?;
    }
    Ok(kept)
}

/// How many partitions have a leader.
fn led(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<i32> {
    let metadata = admin.inner().fetch_metadata(Some(topic), WAIT)?;
    let found = metadata.topics().first().context("a topic")?;
    let led = found
        .partitions()
        .iter()
        .filter(|one| one.leader() >= 0 && one.error().is_none());
    Ok(i32::try_from(led.count())?)
}

/// Waits for rdkafka's own thread to answer; a whole runtime would be another thread in the way.
fn wait_for<T>(future: impl Future<Output = T>) -> Result<T> {
    let mut future = pin!(future);
    let mut cx = TaskContext::from_waker(Waker::noop());
    let deadline = Instant::now() + WAIT;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "no answer within {WAIT:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
