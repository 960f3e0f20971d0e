//! Errors as the SDK's own types, with the service's texts.

use anyhow::{Context, Result, anyhow, ensure};
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::operation::put_record::PutRecordError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use aws_smithy_types::DateTime;
use braid_clients::Checks;
use braid_clients::checks::{now_ms, unique};
use braid_clients::kinesis::{client, refused, shard_id, stream};

pub async fn run(checks: &mut Checks) {
    checks
        .check(
            "an unknown stream is a ResourceNotFoundException",
            unknown_stream(),
        )
        .await;
    checks
        .check("a second creation is a ResourceInUseException", in_use())
        .await;
    checks
        .check("a bad name is a ValidationException", bad_name())
        .await;
    checks
        .check(
            "an unknown shard is a ResourceNotFoundException",
            unknown_shard(),
        )
        .await;
    checks
        .check(
            "a garbled iterator is an InvalidArgumentException",
            bad_iterator(),
        )
        .await;
    checks
        .check(
            "a number of elsewhere is an InvalidArgumentException",
            other_number(),
        )
        .await;
    checks
        .check(
            "a hash key out of range is an InvalidArgumentException",
            bad_hash(),
        )
        .await;
    checks
        .check(
            "a time in the future is an InvalidArgumentException",
            future_time(),
        )
        .await;
    checks
        .check("a record that is too large is refused whole", too_large())
        .await;
    checks
        .check("501 records are a ValidationException", too_many())
        .await;
}

async fn unknown_stream() -> Result<()> {
    let client = client();
    let name = unique("unknown");

    let put = client
        .put_record()
        .stream_name(&name)
        .partition_key("k")
        .data(Blob::new("x"));
    let error = put.send().await.err().context("accepted")?;
    let SdkError::ServiceError(error) = error else {
        return Err(anyhow!("{error:?}"));
    };
    let PutRecordError::ResourceNotFoundException(error) = error.err() else {
        return Err(anyhow!("{:?}", error.err()));
    };
    let text = error.message().unwrap_or_default();
    ensure!(
        text.starts_with(&format!("Stream {name} under account ")),
        "{text}"
    );
    ensure!(text.ends_with(" not found."), "{text}");

    let described = client.describe_stream().stream_name(&name).send().await;
    refused(described, "ResourceNotFoundException")?;
    let deleted = client.delete_stream().stream_name(&name).send().await;
    refused(deleted, "ResourceNotFoundException")?;
    let listed = client.list_shards().stream_name(&name).send().await;
    refused(listed, "ResourceNotFoundException")?;
    Ok(())
}

async fn in_use() -> Result<()> {
    let client = client();
    let name = stream(&client, "in-use", 1).await?;

    let again = client
        .create_stream()
        .stream_name(&name)
        .shard_count(1)
        .send()
        .await;

    let text = refused(again, "ResourceInUseException")?;
    ensure!(text.ends_with(" already exists."), "{text}");
    Ok(())
}

async fn bad_name() -> Result<()> {
    let client = client();
    for name in ["a/b", "a b", &"x".repeat(129)] {
        let created = client
            .create_stream()
            .stream_name(name)
            .shard_count(1)
            .send()
            .await;
        let text = refused(created, "ValidationException")?;
        ensure!(text.contains("streamName"), "{text}");
    }
    let none = client
        .create_stream()
        .stream_name(unique("none"))
        .shard_count(0)
        .send()
        .await;
    refused(none, "ValidationException")?;
    Ok(())
}

async fn unknown_shard() -> Result<()> {
    let client = client();
    let name = stream(&client, "unknown-shard", 1).await?;
    let asked = client
        .get_shard_iterator()
        .stream_name(&name)
        .shard_id(shard_id(7));

    let answer = asked
        .shard_iterator_type(ShardIteratorType::Latest)
        .send()
        .await;

    refused(answer, "ResourceNotFoundException")?;
    Ok(())
}

async fn bad_iterator() -> Result<()> {
    let client = client();

    let error = client
        .get_records()
        .shard_iterator("AAAA")
        .send()
        .await
        .err();

    let error = error.context("accepted")?.into_service_error();
    let GetRecordsError::InvalidArgumentException(error) = error else {
        return Err(anyhow!("{error:?}"));
    };
    let text = error.message().unwrap_or_default();
    ensure!(text == "Invalid ShardIterator.", "{text}");
    Ok(())
}

async fn other_number() -> Result<()> {
    let client = client();
    let (one, two) = (
        stream(&client, "one", 1).await?,
        stream(&client, "two", 1).await?,
    );
    let put = client
        .put_record()
        .stream_name(&one)
        .partition_key("k")
        .data(Blob::new("x"));
    let number = put.send().await?.sequence_number;

    for number in [number.as_str(), "123", &"9".repeat(129)] {
        let asked = client
            .get_shard_iterator()
            .stream_name(&two)
            .shard_id(shard_id(0));
        let asked = asked.shard_iterator_type(ShardIteratorType::AtSequenceNumber);
        let answer = asked.starting_sequence_number(number).send().await;
        refused(answer, "InvalidArgumentException").context(number.to_owned())?;
    }
    let asked = client
        .get_shard_iterator()
        .stream_name(&two)
        .shard_id(shard_id(0));
    let asked = asked.shard_iterator_type(ShardIteratorType::AtSequenceNumber);
    refused(asked.send().await, "InvalidArgumentException")?;
    Ok(())
}

async fn bad_hash() -> Result<()> {
    let client = client();
    let name = stream(&client, "bad-hash", 1).await?;
    let put = client
        .put_record()
        .stream_name(&name)
        .partition_key("k")
        .data(Blob::new("x"));

    let beyond = put
        .explicit_hash_key("340282366920938463463374607431768211456")
        .send()
        .await;

    let text = refused(beyond, "InvalidArgumentException")?;
    ensure!(text.starts_with("Invalid ExplicitHashKey."), "{text}");
    Ok(())
}

async fn future_time() -> Result<()> {
    let client = client();
    let name = stream(&client, "future", 1).await?;
    let asked = client
        .get_shard_iterator()
        .stream_name(&name)
        .shard_id(shard_id(0));
    let asked = asked.shard_iterator_type(ShardIteratorType::AtTimestamp);
    let tomorrow = DateTime::from_millis(now_ms() + 86_400_000);

    let answer = asked.timestamp(tomorrow).send().await;

    refused(answer, "InvalidArgumentException")?;
    Ok(())
}

async fn too_large() -> Result<()> {
    let client = client();
    let name = stream(&client, "too-large", 1).await?;

    let data = Blob::new(vec![0; (1 << 20) + 1]);
    let put = client
        .put_record()
        .stream_name(&name)
        .partition_key("k")
        .data(data);
    let (code, text) = braid_clients::kinesis::refusal(put.send().await)?;

    ensure!(
        ["InvalidArgumentException", "ValidationException"].contains(&code.as_str()),
        "{code}: {text}"
    );
    Ok(())
}

async fn too_many() -> Result<()> {
    let client = client();
    let name = stream(&client, "too-many", 1).await?;
    let entry = PutRecordsRequestEntry::builder()
        .partition_key("k")
        .data(Blob::new("x"))
        .build()?;

    let put = client
        .put_records()
        .stream_name(&name)
        .set_records(Some(vec![entry; 501]));

    refused(put.send().await, "ValidationException")?;
    Ok(())
}
