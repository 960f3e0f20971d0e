//! Topics and their configuration through the admin client.

use anyhow::{Context, Result, anyhow, ensure};
use braid_clients::Checks;
use braid_clients::checks::unique;
use braid_clients::kafka::{
    Given, REQUEST_WAIT, admin, client, compare, options, produce, producer, read_all, topic,
    topic_with,
};
use rdkafka::admin::{AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::HashMap;

pub async fn run(checks: &mut Checks) {
    checks
        .check(
            "a created topic is described as it was asked for",
            created(),
        )
        .await;
    checks
        .check("a topic that exists is not created again", exists())
        .await;
    checks
        .check("impossible topics are refused", impossible())
        .await;
    checks
        .check("a deleted topic is gone and starts again from 0", deleted())
        .await;
    checks
        .check("a topic's configuration is described", described())
        .await;
    checks
        .check("a topic's configuration is altered", altered())
        .await;
    checks
        .check("an unknown setting is refused", unknown_setting())
        .await;
    checks
        .check("brokers and controller are described", brokers())
        .await;
}

fn looker() -> Result<BaseConsumer> {
    Ok(client(&[("allow.auto.create.topics", "false")]).create()?)
}

/// Partition count as metadata has it, or the error that it has.
fn partitions(name: &str) -> Result<Result<usize, Code>> {
    let metadata = looker()?.fetch_metadata(Some(name), REQUEST_WAIT)?;
    let topic = metadata
        .topics()
        .first()
        .context("no such topic in the answer")?;
    ensure!(
        topic.name() == name,
        "asked for {name}, got {}",
        topic.name()
    );
    Ok(match topic.error() {
        Some(code) => Err(code.into()),
        None => Ok(topic.partitions().len()),
    })
}

async fn create(name: &str, partitions: i32) -> Result<Result<String, Code>> {
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let answers = admin()?.create_topics([&new], &options()).await?;
    let answer = answers.into_iter().next().context("no answer")?;
    Ok(answer.map_err(|(_, code)| code))
}

async fn created() -> Result<()> {
    let name = topic("created", 5).await?;

    ensure!(
        partitions(&name)? == Ok(5),
        "{:?} partitions",
        partitions(&name)?
    );
    let all = looker()?.fetch_metadata(None, REQUEST_WAIT)?;
    ensure!(
        all.topics().iter().any(|topic| topic.name() == name),
        "{name} is not among all topics"
    );
    let one = looker()?.fetch_metadata(Some(&name), REQUEST_WAIT)?;
    let broker_ids: Vec<i32> = one.brokers().iter().map(|broker| broker.id()).collect();
    for (index, partition) in one.topics()[0].partitions().iter().enumerate() {
        ensure!(
            partition.id() == i32::try_from(index)?,
            "partitions are out of order"
        );
        ensure!(
            partition.error().is_none(),
            "partition {index}: {:?}",
            partition.error()
        );
        ensure!(
            broker_ids.contains(&partition.leader()),
            "partition {index} has no leader"
        );
        ensure!(!partition.replicas().is_empty() && !partition.isr().is_empty());
    }
    Ok(())
}

async fn exists() -> Result<()> {
    let name = topic("exists", 1).await?;

    let again = create(&name, 1).await?;

    ensure!(again == Err(Code::TopicAlreadyExists), "{again:?}");
    Ok(())
}

async fn impossible() -> Result<()> {
    let slash = create("a/b", 1).await?;
    ensure!(slash == Err(Code::InvalidTopic), "a/b: {slash:?}");

    let long = create(&"x".repeat(250), 1).await?;
    ensure!(long == Err(Code::InvalidTopic), "250 characters: {long:?}");

    let dots = create("..", 1).await?;
    ensure!(dots == Err(Code::InvalidTopic), "..: {dots:?}");
    Ok(())
}

async fn deleted() -> Result<()> {
    let name = topic("deleted", 2).await?;
    let producer = producer(&[])?;
    let before = [Given::new(0, Some(b"k"), Some(b"before"))];
    produce(&producer, &name, &before).await?;
    // A producer keeps asking for topics it knows, and would create this one again.
    drop(producer);

    let answers = admin()?.delete_topics(&[&name], &options()).await?;
    ensure!(answers == [Ok(name.clone())], "{answers:?}");
    let metadata = gone(&name).await?;
    ensure!(
        metadata == Err(Code::UnknownTopicOrPartition),
        "{metadata:?}"
    );
    let again = admin()?.delete_topics(&[&name], &options()).await?;
    ensure!(
        again == [Err((name.clone(), Code::UnknownTopicOrPartition))],
        "{again:?}"
    );

    ensure!(create(&name, 3).await? == Ok(name.clone()), "created again");
    let after = [Given::new(0, Some(b"k"), Some(b"after"))];
    produce(&braid_clients::kafka::producer(&[])?, &name, &after).await?;
    let read = read_all(&name, 3).await?;
    compare(&[&after[0]], &read[0])
}

/// What metadata says once the deletion has reached it; a cluster may take a moment.
async fn gone(name: &str) -> Result<Result<usize, Code>> {
    for _ in 0..100 {
        let found = partitions(name)?;
        if found.is_err() {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    partitions(name)
}

async fn settings(name: &str) -> Result<HashMap<String, (Option<String>, ConfigSource)>> {
    let asked = [ResourceSpecifier::Topic(name)];
    let answers = admin()?.describe_configs(&asked, &options()).await?;
    let answer = answers.into_iter().next().context("no answer")?;
    let resource = answer.map_err(|code| anyhow!("describing {name}: {code}"))?;
    let entries = resource.entries.into_iter();
    Ok(entries
        .map(|entry| (entry.name, (entry.value, entry.source)))
        .collect())
}

async fn described() -> Result<()> {
    let config = [
        ("retention.ms", "90000000"),
        ("max.message.bytes", "2000000"),
    ];
    let name = topic_with("described", 1, &config).await?;

    let found = settings(&name).await?;

    for (key, value) in config {
        let expected = (Some(value.to_owned()), ConfigSource::DynamicTopic);
        ensure!(
            found.get(key) == Some(&expected),
            "{key}: {:?}",
            found.get(key)
        );
    }
    let policy = found.get("cleanup.policy").context("no cleanup.policy")?;
    ensure!(
        policy == &(Some("delete".into()), ConfigSource::Default),
        "{policy:?}"
    );
    Ok(())
}

async fn altered() -> Result<()> {
    let name = topic_with("altered", 1, &[("retention.ms", "90000000")]).await?;
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name))
        .set("retention.ms", "172800000")
        .set("max.message.bytes", "1500000");

    let answers = admin()?.alter_configs([&change], &options()).await?;
    ensure!(answers.iter().all(Result::is_ok), "{answers:?}");

    for _ in 0..100 {
        let found = settings(&name).await?;
        let value = |key: &str| found.get(key).and_then(|(value, _)| value.clone());
        if value("retention.ms").as_deref() == Some("172800000")
            && value("max.message.bytes").as_deref() == Some("1500000")
        {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(anyhow!(
        "still {:?}",
        settings(&name).await?.get("retention.ms")
    ))
}

async fn unknown_setting() -> Result<()> {
    let name = unique("unknown-setting");
    let new = NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("no.such.setting", "1");

    let answers = admin()?.create_topics([&new], &options()).await?;

    ensure!(answers == [Err((name, Code::InvalidConfig))], "{answers:?}");
    Ok(())
}

async fn brokers() -> Result<()> {
    let looker = looker()?;

    let metadata = looker.fetch_metadata(None, REQUEST_WAIT)?;
    ensure!(!metadata.brokers().is_empty(), "no brokers");
    ensure!(
        metadata
            .brokers()
            .iter()
            .all(|broker| broker.port() > 0 && !broker.host().is_empty()),
        "a broker without an address"
    );
    let cluster = looker.client().fetch_cluster_id(REQUEST_WAIT);
    ensure!(cluster.is_some_and(|id| !id.is_empty()), "no cluster id");
    Ok(())
}
