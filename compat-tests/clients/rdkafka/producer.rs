//! Every way to write a record: codecs, idempotence, acks, sizes, headers, absent keys and values.

use anyhow::{Context, Result, anyhow, ensure};
use braid_clients::Checks;
use braid_clients::checks::{now_ms, unique};
use braid_clients::kafka::{
    CODECS, Given, REQUEST_WAIT, client, compare, produce, producer, read_all, reader, receive,
    topic, topic_with,
};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::producer::FutureRecord;

pub async fn run(checks: &mut Checks) {
    for codec in CODECS {
        let name = format!("records of codec {codec} come back as they were given");
        checks.check(&name, round_trip(codec, "false")).await;
        let name = format!("an idempotent producer's records of codec {codec} come back");
        checks.check(&name, round_trip(codec, "true")).await;
    }
    for acks in ["0", "1", "all"] {
        let name = format!("acks={acks} keeps every record in order");
        checks.check(&name, acknowledged(acks)).await;
    }
    checks
        .check("headers keep order, repeats and null values", headers())
        .await;
    checks
        .check("null, empty and binary keys and values differ", absent())
        .await;
    checks
        .check("a producer's timestamps are kept", timestamps())
        .await;
    checks
        .check(
            "a topic of LogAppendTime is stamped on arrival",
            append_time(),
        )
        .await;
    checks
        .check("a record of 900 kB passes", large(900_000, "1000000", &[]))
        .await;
    let raised = [("max.message.bytes", "9000000")];
    checks
        .check(
            "a record of 8 MB passes where allowed",
            large(8_000_000, "9000000", &raised),
        )
        .await;
    checks
        .check("a record above max.message.bytes is refused", too_large())
        .await;
    checks
        .check("producing to an unknown topic creates it", auto_created())
        .await;
    checks
        .check("an unknown partition is refused", unknown_partition())
        .await;
    checks
        .check(
            "ten producers share a partition without a gap",
            ten_producers(),
        )
        .await;
}

/// Records of several sizes with keys, headers and times, over three partitions.
fn assorted(count: usize) -> Vec<Given> {
    let base_ms = now_ms() - 3_600_000;
    let record = |index: usize| {
        let partition = i32::try_from(index % 3).unwrap_or_default();
        let value: Vec<u8> = (0..index * 7 % 1500)
            .map(|at| u8::try_from((at * 31 + index) % 251).unwrap_or_default())
            .collect();
        let key = format!("key-{index}");
        Given {
            headers: vec![("index".into(), Some(index.to_string().into_bytes()))],
            timestamp_ms: i64::try_from(index).ok().map(|index| base_ms + index),
            ..Given::new(partition, Some(key.as_bytes()), Some(&value))
        }
    };
    (0..count).map(record).collect()
}

/// Produces the records, reads the topic, and compares offsets and contents per partition.
async fn produce_and_compare(
    settings: &[(&str, &str)],
    name: &str,
    partitions: i32,
    records: &[Given],
) -> Result<()> {
    let offsets = produce(&producer(settings)?, name, records).await?;
    let read = read_all(name, partitions).await?;
    for (partition, messages) in (0..partitions).zip(&read) {
        let of_partition = |given: &&Given| given.partition == partition;
        let given: Vec<&Given> = records.iter().filter(of_partition).collect();
        compare(&given, messages).with_context(|| format!("partition {partition}"))?;
        let reported: Vec<i64> = records
            .iter()
            .zip(&offsets)
            .filter_map(|(given, offset)| (given.partition == partition).then_some(*offset))
            .collect();
        let dense: Vec<i64> = (0..i64::try_from(given.len())?).collect();
        ensure!(
            reported == dense,
            "delivery reports of {partition}: {reported:?}"
        );
    }
    Ok(())
}

async fn round_trip(codec: &str, idempotent: &str) -> Result<()> {
    let name = topic(&format!("codec-{codec}"), 3).await?;
    let settings = [
        ("compression.type", codec),
        ("enable.idempotence", idempotent),
        ("linger.ms", "5"),
    ];
    produce_and_compare(&settings, &name, 3, &assorted(600)).await
}

async fn acknowledged(acks: &str) -> Result<()> {
    let name = topic(&format!("acks-{acks}"), 1).await?;
    let value = |index: usize| Given::new(0, None, Some(index.to_string().as_bytes()));
    let records: Vec<Given> = (0..200).map(value).collect();
    // One request at a time keeps plain producers in order too.
    let settings = [
        ("acks", acks),
        ("max.in.flight.requests.per.connection", "1"),
    ];

    let offsets = produce(&producer(&settings)?, &name, &records).await?;

    // acks=0 promises nothing when the send returns, so the records are awaited.
    let consumer = reader(&name, 1, Offset::Beginning)?;
    let messages = receive(&consumer, records.len()).await?;
    compare(&records.iter().collect::<Vec<_>>(), &messages)?;
    if acks != "0" {
        ensure!(offsets == (0..200).collect::<Vec<i64>>(), "{offsets:?}");
    }
    Ok(())
}

async fn headers() -> Result<()> {
    let name = topic("headers", 1).await?;
    let header = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    let with_headers = Given {
        headers: vec![
            header("b", Some(b"2")),
            header("a", Some(b"1")),
            header("b", None),
            header("b", Some(b"")),
            header("", Some(&[0, 255, 128])),
            header("größe", Some("ünïcode".as_bytes())),
        ],
        ..Given::new(0, Some(b"k"), Some(b"v"))
    };
    let many = Given {
        headers: (0..500)
            .map(|index| header(&format!("h{index}"), Some(b"x")))
            .collect(),
        ..Given::new(0, None, None)
    };
    let records = [with_headers, Given::new(0, Some(b"none"), None), many];

    produce_and_compare(&[], &name, 1, &records).await
}

async fn absent() -> Result<()> {
    let name = topic("absent", 1).await?;
    let binary: Vec<u8> = (0..=255).collect();
    let parts: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"text"), Some(&binary)];
    let records: Vec<Given> = parts
        .iter()
        .flat_map(|key| parts.iter().map(|value| Given::new(0, *key, *value)))
        .collect();

    produce_and_compare(&[("compression.type", "lz4")], &name, 1, &records).await
}

async fn timestamps() -> Result<()> {
    let name = topic("timestamps", 1).await?;
    let day_ms = 86_400_000;
    let times = [
        now_ms(),
        now_ms() - 3 * day_ms,
        1,
        now_ms() + 60_000,
        now_ms() - day_ms,
    ];
    let records: Vec<Given> = times
        .iter()
        .map(|time| Given {
            timestamp_ms: Some(*time),
            ..Given::new(0, None, Some(b"t"))
        })
        .collect();

    produce_and_compare(&[("compression.type", "zstd")], &name, 1, &records).await
}

async fn append_time() -> Result<()> {
    let config = [("message.timestamp.type", "LogAppendTime")];
    let name = topic_with("append-time", 1, &config).await?;
    let old = Given {
        timestamp_ms: Some(1_000),
        ..Given::new(0, None, Some(b"old"))
    };
    let before_ms = now_ms();

    produce(&producer(&[])?, &name, &[old]).await?;

    let read = read_all(&name, 1).await?;
    let stamped = read[0].first().context("no record")?.timestamp();
    let rdkafka::Timestamp::LogAppendTime(stamped_ms) = stamped else {
        return Err(anyhow!("{stamped:?} is not LogAppendTime"));
    };
    ensure!(
        (before_ms..=now_ms()).contains(&stamped_ms),
        "{stamped_ms} is not between {before_ms} and {}",
        now_ms()
    );
    Ok(())
}

async fn large(bytes: usize, client_max: &str, config: &[(&str, &str)]) -> Result<()> {
    let name = topic_with("large", 1, config).await?;
    let value: Vec<u8> = (0..bytes)
        .map(|at| u8::try_from(at * 2_654_435_761 % 257 % 256).unwrap_or_default())
        .collect();
    let small = Given::new(0, Some(b"small"), Some(b"small"));
    let records = [
        small.clone(),
        Given::new(0, Some(b"large"), Some(&value)),
        small,
    ];
    let settings = [
        ("message.max.bytes", client_max),
        ("enable.idempotence", "true"),
    ];

    produce_and_compare(&settings, &name, 1, &records).await
}

async fn too_large() -> Result<()> {
    let name = topic("too-large", 1).await?;
    let producer = producer(&[("message.max.bytes", "3000000")])?;
    let large = Given::new(0, None, Some(&vec![7; 2_000_000]));

    let sent = produce(&producer, &name, &[large]).await;

    let error = sent.err().context("2 MB were accepted")?;
    let code = error
        .downcast_ref::<KafkaError>()
        .and_then(KafkaError::rdkafka_error_code);
    ensure!(code == Some(Code::MessageSizeTooLarge), "{error:#}");
    // And the partition goes on.
    let records = [Given::new(0, None, Some(b"after"))];
    produce(&producer, &name, &records).await?;
    compare(&[&records[0]], &read_all(&name, 1).await?[0])
}

async fn auto_created() -> Result<()> {
    let name = unique("auto-created");
    let record = Given::new(0, Some(b"k"), Some(b"first"));

    let offsets = produce(&producer(&[])?, &name, std::slice::from_ref(&record)).await?;

    ensure!(offsets == [0], "{offsets:?}");
    let looker: BaseConsumer = client(&[]).create()?;
    let metadata = looker.fetch_metadata(Some(&name), REQUEST_WAIT)?;
    ensure!(
        metadata.topics()[0].partitions().len() == 1,
        "not one partition"
    );
    compare(&[&record], &read_all(&name, 1).await?[0])
}

async fn unknown_partition() -> Result<()> {
    let name = topic("unknown-partition", 1).await?;
    let producer = producer(&[])?;
    produce(&producer, &name, &[Given::new(0, None, Some(b"known"))]).await?;
    let record = FutureRecord::<(), str>::to(&name).partition(7).payload("x");

    let error = match producer.send_result(record) {
        Err((error, _)) => error,
        Ok(delivery) => match delivery.await? {
            Err((error, _)) => error,
            Ok(delivered) => return Err(anyhow!("delivered: {delivered:?}")),
        },
    };
    let code = error.rdkafka_error_code();
    ensure!(code == Some(Code::UnknownPartition), "{error}");
    Ok(())
}

async fn ten_producers() -> Result<()> {
    let name = topic("ten-producers", 1).await?;
    let one = |number: usize| {
        let name = name.clone();
        async move {
            let idempotent = if number.is_multiple_of(2) {
                "true"
            } else {
                "false"
            };
            let producer = producer(&[("enable.idempotence", idempotent)])?;
            let mut offsets = Vec::new();
            for index in 0..20 {
                let value = format!("{number}-{index}");
                let record = Given::new(0, None, Some(value.as_bytes()));
                let placed = produce(&producer, &name, &[record]).await?;
                offsets.push((placed[0], value));
            }
            anyhow::Ok(offsets)
        }
    };
    let all = futures_util::future::try_join_all((0..10).map(one)).await?;
    let mut acknowledged: Vec<(i64, String)> = all.into_iter().flatten().collect();
    acknowledged.sort();

    let read = read_all(&name, 1).await?;
    let seen: Vec<(i64, String)> = read[0]
        .iter()
        .map(|message| {
            let value = String::from_utf8_lossy(message.payload().unwrap_or_default());
            (message.offset(), value.into_owned())
        })
        .collect();
    ensure!(seen.len() == 200, "{} records", seen.len());
    ensure!(seen == acknowledged, "acknowledgements and contents differ");
    Ok(())
}
