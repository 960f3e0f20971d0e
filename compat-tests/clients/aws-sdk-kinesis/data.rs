//! Putting: single records and batches, routing, sizes, order.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use braid_clients::Checks;
use braid_clients::checks::now_ms;
use braid_clients::kinesis::{From, arrival_ms, client, read, shard_id, stream};
use braid_clients::sequence::Sequence;
use md5::{Digest, Md5};

pub async fn run(checks: &mut Checks) {
    checks
        .check(
            "put records come back with key, data and arrival",
            put_record(),
        )
        .await;
    checks
        .check("partition keys go to shards by their MD5", routed())
        .await;
    checks
        .check("an explicit hash key decides the shard", explicit())
        .await;
    checks
        .check(
            "a batch keeps its order and tells each place",
            put_records(),
        )
        .await;
    checks
        .check("500 records go in one call", five_hundred())
        .await;
    checks
        .check("empty, binary and 1 MiB records pass", sizes())
        .await;
    checks
        .check("a batch of 10 MiB passes", ten_mebibytes())
        .await;
    checks
        .check(
            "SequenceNumberForOrdering gives a greater number",
            ordering(),
        )
        .await;
    checks
        .check(
            "ten writers get ten records' worth of distinct places",
            ten_writers(),
        )
        .await;
}

fn entry(key: &str, data: &[u8]) -> Result<PutRecordsRequestEntry> {
    let entry = PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data));
    Ok(entry.build()?)
}

/// The shard of `count` uniform ones that a partition key belongs to.
fn shard_of(key: &str, count: u128) -> Result<usize> {
    let hash = u128::from_be_bytes(Md5::digest(key.as_bytes()).into());
    let size = u128::MAX / count;
    Ok(usize::try_from((hash / size).min(count - 1))?)
}

async fn put_record() -> Result<()> {
    let client = client();
    let name = stream(&client, "put-record", 1).await?;
    let before_ms = now_ms();
    let mut numbers = Vec::new();

    for index in 0..20 {
        let put = client
            .put_record()
            .stream_name(&name)
            .partition_key(format!("größe-{index}"));
        let answer = put.data(Blob::new(format!("data-{index}"))).send().await?;
        ensure!(answer.shard_id == shard_id(0), "{}", answer.shard_id);
        numbers.push(answer.sequence_number);
    }

    let records = read(&client, &name, &shard_id(0), From::TrimHorizon, 20).await?;
    let range = before_ms - 1..=now_ms() + 1;
    for (index, (record, number)) in records.iter().zip(&numbers).enumerate() {
        ensure!(
            &record.sequence_number == number,
            "{number} came back as another"
        );
        ensure!(
            record.data.as_ref() == format!("data-{index}").as_bytes(),
            "data {index}"
        );
        ensure!(
            record.partition_key() == Some(&format!("größe-{index}")),
            "key {index}"
        );
        let arrival = arrival_ms(record)?;
        ensure!(range.contains(&arrival), "{arrival} is not now");
    }
    let sorted = numbers.is_sorted_by(|one, next| one < next);
    ensure!(sorted, "numbers do not grow: {numbers:?}");
    Ok(())
}

async fn routed() -> Result<()> {
    let client = client();
    let name = stream(&client, "routed", 4).await?;

    for key in ["a", "partition-1", "x", "schlüssel", "key-42"] {
        let put = client.put_record().stream_name(&name).partition_key(key);
        let answer = put.data(Blob::new("x")).send().await?;
        let expected = shard_id(shard_of(key, 4)?);
        ensure!(
            answer.shard_id == expected,
            "{key}: {}, not {expected}",
            answer.shard_id
        );
    }
    Ok(())
}

async fn explicit() -> Result<()> {
    let client = client();
    let name = stream(&client, "explicit", 3).await?;
    let shards = client.list_shards().stream_name(&name).send().await?;

    for shard in shards.shards() {
        let range = shard.hash_key_range.as_ref().context("no range")?;
        for hash in [&range.starting_hash_key, &range.ending_hash_key] {
            let put = client
                .put_record()
                .stream_name(&name)
                .explicit_hash_key(hash);
            let answer = put
                .partition_key("same")
                .data(Blob::new("x"))
                .send()
                .await?;
            ensure!(
                answer.shard_id == shard.shard_id,
                "{hash} went to {}",
                answer.shard_id
            );
        }
    }
    Ok(())
}

/// Puts all in one call and gives back shard and number of each.
async fn put_all(
    client: &Client,
    stream: &str,
    entries: Vec<PutRecordsRequestEntry>,
) -> Result<Vec<(String, String)>> {
    let count = entries.len();
    let put = client
        .put_records()
        .stream_name(stream)
        .set_records(Some(entries));
    let answer = put.send().await.context("PutRecords")?;
    ensure!(
        answer.failed_record_count == Some(0),
        "{:?} failed",
        answer.failed_record_count
    );
    ensure!(
        answer.records.len() == count,
        "{} answers",
        answer.records.len()
    );
    let place = |entry: aws_sdk_kinesis::types::PutRecordsResultEntry| {
        ensure!(
            entry.error_code.is_none() && entry.error_message.is_none(),
            "{entry:?}"
        );
        Ok((
            entry.shard_id.context("no shard")?,
            entry.sequence_number.context("no number")?,
        ))
    };
    answer.records.into_iter().map(place).collect()
}

async fn put_records() -> Result<()> {
    let client = client();
    let name = stream(&client, "put-records", 3).await?;
    let keys: Vec<String> = (0..60).map(|index| format!("key-{index}")).collect();
    let entries: Result<Vec<_>> = keys
        .iter()
        .map(|key| entry(key, format!("data of {key}").as_bytes()))
        .collect();

    let places = put_all(&client, &name, entries?).await?;

    for shard in 0..3 {
        let id = shard_id(shard);
        let of_shard: Vec<(&String, &String)> = places
            .iter()
            .zip(&keys)
            .filter_map(|(place, key)| (place.0 == id).then_some((&place.1, key)))
            .collect();
        let records = read(&client, &name, &id, From::TrimHorizon, of_shard.len()).await?;
        for (offset, (record, (number, key))) in (0..).zip(records.iter().zip(of_shard)) {
            ensure!(shard_of(key, 3)? == shard, "{key} went to {id}");
            ensure!(&record.sequence_number == number && record.partition_key() == Some(key));
            ensure!(record.data.as_ref() == format!("data of {key}").as_bytes());
            ensure!(
                Sequence::parse(number)?.offset == offset,
                "not dense: {number}"
            );
        }
    }
    Ok(())
}

async fn five_hundred() -> Result<()> {
    let client = client();
    let name = stream(&client, "five-hundred", 1).await?;
    let entries: Result<Vec<_>> = (0..500)
        .map(|index| entry(&index.to_string(), format!("{index:0200}").as_bytes()))
        .collect();

    let places = put_all(&client, &name, entries?).await?;

    ensure!(
        places.is_sorted_by(|one, next| one.1 < next.1),
        "numbers do not grow"
    );
    let records = read(&client, &name, &shard_id(0), From::TrimHorizon, 500).await?;
    for (index, record) in records.iter().enumerate() {
        ensure!(
            record.data.as_ref() == format!("{index:0200}").as_bytes(),
            "record {index}"
        );
    }
    Ok(())
}

async fn sizes() -> Result<()> {
    let client = client();
    let name = stream(&client, "sizes", 1).await?;
    let binary: Vec<u8> = (0..=255).collect();
    let mebibyte = vec![0xA5; (1 << 20) - 1];
    let long_key = "k".repeat(256);
    let given: [(&str, &[u8]); 4] = [
        ("e", b""),
        ("b", &binary),
        ("m", &mebibyte),
        (&long_key, b"x"),
    ];

    for (key, data) in given {
        let put = client.put_record().stream_name(&name).partition_key(key);
        put.data(Blob::new(data))
            .send()
            .await
            .with_context(|| format!("{} B", data.len()))?;
    }

    let records = read(&client, &name, &shard_id(0), From::TrimHorizon, 4).await?;
    for (record, (key, data)) in records.iter().zip(given) {
        ensure!(
            record.partition_key() == Some(key) && record.data.as_ref() == data,
            "{} B",
            data.len()
        );
    }
    Ok(())
}

async fn ten_mebibytes() -> Result<()> {
    let client = client();
    let name = stream(&client, "ten-mebibytes", 1).await?;
    let data = vec![b'z'; (1 << 20) - 1];
    let entries: Result<Vec<_>> = (0..10).map(|_| entry("k", &data)).collect();

    put_all(&client, &name, entries?).await?;

    let records = read(&client, &name, &shard_id(0), From::TrimHorizon, 10).await?;
    ensure!(
        records.iter().all(|record| record.data.as_ref() == data),
        "data differ"
    );
    Ok(())
}

async fn ordering() -> Result<()> {
    let client = client();
    let name = stream(&client, "ordering", 1).await?;
    let mut last = None;

    for _ in 0..5 {
        let put = client.put_record().stream_name(&name).partition_key("k");
        let put = put.set_sequence_number_for_ordering(last.clone());
        let number = put.data(Blob::new("x")).send().await?.sequence_number;
        ensure!(
            last < Some(number.clone()),
            "{number} is not above {last:?}"
        );
        last = Some(number);
    }
    Ok(())
}

async fn ten_writers() -> Result<()> {
    let client = client();
    let name = stream(&client, "ten-writers", 1).await?;
    let one = |number: usize| {
        let (client, name) = (client.clone(), name.clone());
        async move {
            let mut places = Vec::new();
            for index in 0..20 {
                let data = format!("{number}-{index}");
                let put = client.put_record().stream_name(&name).partition_key("k");
                let answer = put.data(Blob::new(data.clone())).send().await?;
                places.push((answer.sequence_number, data));
            }
            anyhow::Ok(places)
        }
    };

    let all = futures_util::future::try_join_all((0..10).map(one)).await?;

    let mut acknowledged: Vec<(String, String)> = all.into_iter().flatten().collect();
    acknowledged.sort();
    let records = read(&client, &name, &shard_id(0), From::TrimHorizon, 200).await?;
    let seen = records.into_iter().map(|record| {
        let data = String::from_utf8_lossy(record.data.as_ref()).into_owned();
        (record.sequence_number, data)
    });
    ensure!(
        seen.collect::<Vec<_>>() == acknowledged,
        "acknowledgements and contents differ"
    );
    Ok(())
}
