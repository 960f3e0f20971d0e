//! Reading without a group's help: positions, times, long polls, sizes; and commits by hand.

use anyhow::{Context, Result, ensure};
use braid_clients::Checks;
use braid_clients::checks::{now_ms, unique};
use braid_clients::kafka::{
    Given, REQUEST_WAIT, admin, client, options, produce, producer, reader, reader_of, receive,
    topic,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

pub async fn run(checks: &mut Checks) {
    checks
        .check("watermarks tell the first and next offset", watermarks())
        .await;
    checks.check("offsets are found by time", by_time()).await;
    checks
        .check(
            "a consumer seeks to a time and reads from there",
            seek_by_time(),
        )
        .await;
    checks
        .check("a consumer seeks back and forth", seek())
        .await;
    checks
        .check("a fetch at the end waits for the next record", long_poll())
        .await;
    checks
        .check(
            "small fetch limits still pass large records",
            small_fetches(),
        )
        .await;
    checks
        .check(
            "read_committed reads plain records up to the end",
            read_committed(),
        )
        .await;
    checks
        .check("a position out of range is reset as asked", out_of_range())
        .await;
    checks
        .check("commits by hand survive the consumer", commits_survive())
        .await;
    checks
        .check(
            "a group that never committed has no offsets",
            never_committed(),
        )
        .await;
    checks
        .check("a deleted group forgets its offsets", deleted_group())
        .await;
}

fn numbered(count: usize) -> Vec<Given> {
    let value = |index: usize| Given::new(0, None, Some(index.to_string().as_bytes()));
    (0..count).map(value).collect()
}

async fn filled(prefix: &str, count: usize) -> Result<String> {
    let name = topic(prefix, 1).await?;
    produce(&producer(&[])?, &name, &numbered(count)).await?;
    Ok(name)
}

async fn watermarks() -> Result<()> {
    let name = filled("watermarks", 10).await?;
    let looker: BaseConsumer = client(&[]).create()?;

    let found = looker.fetch_watermarks(&name, 0, REQUEST_WAIT)?;

    ensure!(found == (0, 10), "{found:?}");
    Ok(())
}

/// Records with times 1,000 ms apart, in batches of three.
async fn timed(prefix: &str) -> Result<(String, i64)> {
    let name = topic(prefix, 1).await?;
    let base_ms = now_ms() - 3_600_000;
    let timed = |index: i64| Given {
        timestamp_ms: Some(base_ms + 1_000 * index),
        ..Given::new(0, None, Some(index.to_string().as_bytes()))
    };
    let records: Vec<Given> = (0..30).map(timed).collect();
    let producer = producer(&[("compression.type", "snappy"), ("linger.ms", "5")])?;
    for batch in records.chunks(3) {
        produce(&producer, &name, batch).await?;
    }
    Ok((name, base_ms))
}

fn offset_for(consumer: &impl Consumer, topic: &str, time_ms: i64) -> Result<Offset> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, 0, Offset::Offset(time_ms))?;
    let found = consumer.offsets_for_times(asked, REQUEST_WAIT)?;
    let found = found
        .find_partition(topic, 0)
        .context("no answer for the partition")?;
    found.error()?;
    Ok(found.offset())
}

async fn by_time() -> Result<()> {
    let (name, base_ms) = timed("by-time").await?;
    let looker: BaseConsumer = client(&[]).create()?;

    let expected = [
        (0, Offset::Offset(0)),
        (base_ms, Offset::Offset(0)),
        (base_ms + 1, Offset::Offset(1)),
        (base_ms + 4_000, Offset::Offset(4)),
        (base_ms + 4_001, Offset::Offset(5)),
        (base_ms + 29_000, Offset::Offset(29)),
        (base_ms + 29_001, Offset::End),
    ];
    for (time_ms, offset) in expected {
        let found = offset_for(&looker, &name, time_ms)?;
        ensure!(
            found == offset,
            "{} ms on: {found:?}, not {offset:?}",
            time_ms - base_ms
        );
    }
    Ok(())
}

async fn seek_by_time() -> Result<()> {
    let (name, base_ms) = timed("seek-by-time").await?;
    let consumer = reader(&name, 1, Offset::Beginning)?;
    receive(&consumer, 30).await?;

    let found = offset_for(&consumer, &name, base_ms + 7_500)?;
    consumer.seek(&name, 0, found, REQUEST_WAIT)?;

    let messages = receive(&consumer, 22).await?;
    let offsets: Vec<i64> = messages.iter().map(Message::offset).collect();
    ensure!(offsets == (8..30).collect::<Vec<i64>>(), "{offsets:?}");
    Ok(())
}

async fn seek() -> Result<()> {
    let name = filled("seek", 50).await?;
    let consumer = reader(&name, 1, Offset::Offset(20))?;

    for start in [20, 45, 3, 49, 0] {
        consumer
            .seek(&name, 0, Offset::Offset(start), REQUEST_WAIT)
            .ok();
        let want = usize::try_from(50 - start)?;
        let messages = receive(&consumer, want).await?;
        let first = messages.first().context("nothing")?;
        ensure!(
            first.offset() == start,
            "sought {start}, got {}",
            first.offset()
        );
        ensure!(
            first.payload() == Some(start.to_string().as_bytes()),
            "wrong value"
        );
    }
    Ok(())
}

async fn long_poll() -> Result<()> {
    let name = filled("long-poll", 1).await?;
    // Longer than the check may take: only a wake-up by the record can answer in time.
    let config = client(&[
        ("fetch.wait.max.ms", "25000"),
        ("socket.timeout.ms", "40000"),
    ]);
    let consumer = reader_of(&config, &name, 1, Offset::Beginning)?;
    receive(&consumer, 1).await?;
    let producer = producer(&[("linger.ms", "0")])?;

    let mut slowest = Duration::ZERO;
    for index in 0..20 {
        let began = Instant::now();
        let sent = [Given::new(
            0,
            None,
            Some(format!("late-{index}").as_bytes()),
        )];
        let (sent_at, got) = tokio::join!(produce(&producer, &name, &sent), receive(&consumer, 1));
        ensure!(sent_at? == [index + 1], "not the next offset");
        ensure!(
            got?[0].payload() == sent[0].value.as_deref(),
            "another value"
        );
        slowest = slowest.max(began.elapsed());
    }
    ensure!(
        slowest < Duration::from_secs(5),
        "a record took {slowest:?}"
    );
    Ok(())
}

async fn small_fetches() -> Result<()> {
    let name = topic("small-fetches", 1).await?;
    let record = |index: u8| Given::new(0, None, Some(&vec![index; 200_000]));
    let records: Vec<Given> = (0..10).map(record).collect();
    produce(&producer(&[])?, &name, &records).await?;
    let config = client(&[
        ("fetch.message.max.bytes", "1000"),
        ("receive.message.max.bytes", "2000000"),
        ("fetch.max.bytes", "1000000"),
    ]);

    let consumer = reader_of(&config, &name, 1, Offset::Beginning)?;

    let messages = receive(&consumer, 10).await?;
    braid_clients::kafka::compare(&records.iter().collect::<Vec<_>>(), &messages)
}

async fn read_committed() -> Result<()> {
    let name = filled("read-committed", 20).await?;
    let config = client(&[("isolation.level", "read_committed")]);

    let consumer = reader_of(&config, &name, 1, Offset::Beginning)?;

    receive(&consumer, 20).await?;
    let watermarks = consumer.fetch_watermarks(&name, 0, REQUEST_WAIT)?;
    ensure!(watermarks == (0, 20), "{watermarks:?}");
    Ok(())
}

async fn out_of_range() -> Result<()> {
    let name = filled("out-of-range", 5).await?;

    let earliest = client(&[("auto.offset.reset", "earliest")]);
    let consumer = reader_of(&earliest, &name, 1, Offset::Offset(99))?;
    let messages = receive(&consumer, 5).await?;
    ensure!(
        messages[0].offset() == 0,
        "earliest gave {}",
        messages[0].offset()
    );

    let error = client(&[("auto.offset.reset", "error")]);
    let consumer = reader_of(&error, &name, 1, Offset::Offset(99))?;
    let outcome = tokio::time::timeout(REQUEST_WAIT, consumer.recv()).await?;
    let code = outcome
        .err()
        .as_ref()
        .and_then(KafkaError::rdkafka_error_code);
    ensure!(code == Some(Code::AutoOffsetReset), "{code:?}");
    Ok(())
}

fn grouped(group: &str) -> Result<BaseConsumer> {
    let config = [("group.id", group), ("enable.auto.commit", "false")];
    Ok(client(&config).create()?)
}

fn committed(consumer: &BaseConsumer, topic: &str) -> Result<(Offset, String)> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, 0);
    let found = consumer.committed_offsets(asked, REQUEST_WAIT)?;
    let found = found
        .find_partition(topic, 0)
        .context("no answer for the partition")?;
    found.error()?;
    Ok((found.offset(), found.metadata().to_owned()))
}

fn commit(consumer: &BaseConsumer, topic: &str, offset: i64, note: &str) -> Result<()> {
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(topic, 0);
    element.set_offset(Offset::Offset(offset))?;
    element.set_metadata(note);
    consumer.commit(&list, CommitMode::Sync)?;
    Ok(())
}

async fn commits_survive() -> Result<()> {
    let name = filled("commits-survive", 10).await?;
    let group = unique("commits-survive");

    commit(&grouped(&group)?, &name, 4, "first note")?;
    let found = committed(&grouped(&group)?, &name)?;
    ensure!(
        found == (Offset::Offset(4), "first note".into()),
        "{found:?}"
    );

    commit(&grouped(&group)?, &name, 2, "")?;
    let found = committed(&grouped(&group)?, &name)?;
    ensure!(found == (Offset::Offset(2), String::new()), "{found:?}");
    Ok(())
}

async fn never_committed() -> Result<()> {
    let name = filled("never-committed", 1).await?;

    let found = committed(&grouped(&unique("never"))?, &name)?;

    ensure!(found.0 == Offset::Invalid, "{found:?}");
    Ok(())
}

async fn deleted_group() -> Result<()> {
    let name = filled("deleted-group", 3).await?;
    let group = unique("deleted-group");
    commit(&grouped(&group)?, &name, 3, "")?;

    let answers = admin()?.delete_groups(&[&group], &options()).await?;

    ensure!(answers == [Ok(group.clone())], "{answers:?}");
    let found = committed(&grouped(&group)?, &name)?;
    ensure!(found.0 == Offset::Invalid, "{found:?}");
    let again = admin()?.delete_groups(&[&group], &options()).await?;
    ensure!(again == [Err((group, Code::GroupIdNotFound))], "{again:?}");
    Ok(())
}
