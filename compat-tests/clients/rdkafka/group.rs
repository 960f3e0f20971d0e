//! Consumer groups of several members: sharing, handing over, resuming.

use crate::member::{Group, Member, committed};
use anyhow::{Context, Result, ensure};
use braid_clients::Checks;
use braid_clients::checks::unique;
use braid_clients::kafka::{Given, REQUEST_WAIT, admin, client, options, produce, producer, topic};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::BTreeSet;

const PARTITIONS: i32 = 6;

pub async fn run(checks: &mut Checks) {
    for strategy in ["range", "roundrobin", "cooperative-sticky"] {
        let name = format!("three {strategy} members share, hand over and miss nothing");
        checks.check(&name, sharing(strategy)).await;
    }
    checks
        .check(
            "cooperative members keep what does not move",
            cooperative_keeps(),
        )
        .await;
    checks
        .check(
            "static members come back without a rebalance",
            static_members(),
        )
        .await;
    checks
        .check("a restarted group resumes from its commits", resumes())
        .await;
    checks
        .check(
            "two groups read the same topic independently",
            independent(),
        )
        .await;
    checks
        .check("a subscribed pattern finds topics made later", pattern())
        .await;
    checks
        .check("a live group is described and not deleted", described())
        .await;
    checks
        .check("members of different strategies do not mix", inconsistent())
        .await;
}

fn records(from: usize, count: usize) -> Vec<Given> {
    let record = |index: usize| {
        let partition = i32::try_from(index % 6).unwrap_or_default();
        Given::new(partition, Some(b"k"), Some(index.to_string().as_bytes()))
    };
    (from..from + count).map(record).collect()
}

async fn fill(topic: &str, from: usize, count: usize) -> Result<()> {
    let producer = producer(&[("enable.idempotence", "true")])?;
    produce(&producer, topic, &records(from, count)).await?;
    Ok(())
}

/// Waits for `count` records in all, and fails if any was delivered twice or out of order.
async fn exactly(group: &Group, count: usize) -> Result<()> {
    let what = format!("{count} records have arrived");
    let seen = group
        .until(&what, |seen| seen.records.len() >= count)
        .await?;
    let distinct: BTreeSet<(i32, i64)> = seen.records.iter().copied().collect();
    ensure!(
        distinct.len() == count && seen.records.len() == count,
        "{} deliveries of {} records, {count} written",
        seen.records.len(),
        distinct.len()
    );
    for partition in 0..PARTITIONS {
        let offsets = seen.records.iter().filter(|record| record.0 == partition);
        let offsets: Vec<i64> = offsets.map(|record| record.1).collect();
        ensure!(
            offsets.is_sorted(),
            "partition {partition} out of order: {offsets:?}"
        );
    }
    Ok(())
}

async fn stop_all(members: Vec<Member>) -> Result<()> {
    for member in members {
        member.stop().await?;
    }
    Ok(())
}

async fn sharing(strategy: &str) -> Result<()> {
    let topic = topic("sharing", PARTITIONS).await?;
    let settings = [("partition.assignment.strategy", strategy)];
    let group = Group::new(unique("sharing"), &topic, &settings);
    fill(&topic, 0, 120).await?;
    let mut members = Vec::new();

    for count in 1..=3 {
        members.push(group.join(&format!("member-{count}"), &[])?);
        let what = format!("{count} members share six partitions");
        group.until(&what, |seen| seen.share(count, 6)).await?;
        fill(&topic, 120 * count, 120).await?;
        exactly(&group, 120 * (count + 1)).await?;
    }
    for count in (1..=2).rev() {
        members.remove(0).stop().await?;
        let what = format!("{count} members are left with six partitions");
        group.until(&what, |seen| seen.share(count, 6)).await?;
        fill(&topic, 120 * (6 - count), 120).await?;
        exactly(&group, 120 * (6 - count + 1)).await?;
    }
    stop_all(members).await?;

    let last = committed(&group.name, &topic, PARTITIONS)?;
    ensure!(last == [Offset::Offset(120); 6], "committed {last:?}");
    ensure!(group.seen().errors.is_empty(), "{:?}", group.seen().errors);
    Ok(())
}

async fn cooperative_keeps() -> Result<()> {
    let topic = topic("cooperative", PARTITIONS).await?;
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let group = Group::new(unique("cooperative"), &topic, &settings);

    let first = group.join("first", &[])?;
    let second = group.join("second", &[])?;
    let before = group
        .until("two members share", |seen| seen.share(2, 6))
        .await?;
    let third = group.join("third", &[])?;
    let after = group
        .until("three members share", |seen| seen.share(3, 6))
        .await?;

    for name in ["first", "second"] {
        let (had, has) = (&before.members[name], &after.members[name]);
        let lost = after.members[name].revoked.len() - had.revoked.len();
        ensure!(
            has.owned.is_subset(&had.owned),
            "{name} was moved: {had:?} to {has:?}"
        );
        ensure!(
            lost == had.owned.len() - has.owned.len(),
            "{name} lost {lost} partitions"
        );
    }
    stop_all(vec![first, second, third]).await
}

async fn static_members() -> Result<()> {
    let topic = topic("static", PARTITIONS).await?;
    let settings = [("partition.assignment.strategy", "range")];
    let group = Group::new(unique("static"), &topic, &settings);
    let instance = |name| [("group.instance.id", name)];
    let stays = group.join("stays", &instance("instance-a"))?;
    let restarts = group.join("restarts", &instance("instance-b"))?;
    let before = group
        .until("two members share", |seen| seen.share(2, 6))
        .await?;
    let owned = before.members["restarts"].owned.clone();

    restarts.stop().await?;
    let again = group.join("again", &instance("instance-b"))?;
    let after = group
        .until("the member is back", |seen| {
            seen.members
                .get("again")
                .is_some_and(|again| again.owned == owned)
        })
        .await?;

    let undisturbed = &after.members["stays"];
    ensure!(
        undisturbed.assignments == before.members["stays"].assignments
            && undisturbed.revoked.len() == before.members["stays"].revoked.len(),
        "the other member was rebalanced: {undisturbed:?}"
    );
    fill(&topic, 0, 60).await?;
    exactly(&group, 60).await?;
    stop_all(vec![stays, again]).await
}

async fn resumes() -> Result<()> {
    let topic = topic("resumes", PARTITIONS).await?;
    let name = unique("resumes");
    fill(&topic, 0, 300).await?;
    let first = Group::new(name.clone(), &topic, &[]);
    let member = first.join("first", &[])?;
    exactly(&first, 300).await?;
    member.stop().await?;
    let stored = committed(&name, &topic, PARTITIONS)?;
    ensure!(stored == [Offset::Offset(50); 6], "committed {stored:?}");

    fill(&topic, 300, 60).await?;
    let second = Group::new(name, &topic, &[]);
    let members = vec![second.join("second", &[])?, second.join("third", &[])?];
    exactly(&second, 60).await?;

    let earliest = second.seen().records.iter().map(|record| record.1).min();
    ensure!(earliest == Some(50), "resumed at {earliest:?}");
    stop_all(members).await
}

async fn independent() -> Result<()> {
    let topic = topic("independent", PARTITIONS).await?;
    fill(&topic, 0, 120).await?;
    let one = Group::new(unique("one"), &topic, &[]);
    let two = Group::new(unique("two"), &topic, &[]);

    let members = vec![one.join("one", &[])?, two.join("two", &[])?];

    exactly(&one, 120).await?;
    exactly(&two, 120).await?;
    stop_all(members).await
}

async fn pattern() -> Result<()> {
    let prefix = unique("pattern");
    let first = topic(&prefix, 1).await?;
    let producer = producer(&[])?;
    produce(&producer, &first, &[Given::new(0, None, Some(b"1"))]).await?;
    let settings = [("topic.metadata.refresh.interval.ms", "300")];
    let group = Group::new(unique("pattern"), &format!("^{prefix}.*"), &settings);

    let member = group.join("member", &[])?;
    group
        .until("the first topic's record", |seen| seen.records.len() == 1)
        .await?;
    let later = topic(&prefix, 1).await?;
    produce(&producer, &later, &[Given::new(0, None, Some(b"2"))]).await?;
    group
        .until("the later topic's record", |seen| seen.records.len() == 2)
        .await?;

    member.stop().await
}

async fn described() -> Result<()> {
    let topic = topic("described-group", PARTITIONS).await?;
    let settings = [("partition.assignment.strategy", "roundrobin")];
    let group = Group::new(unique("described"), &topic, &settings);
    let members = vec![group.join("a", &[])?, group.join("b", &[])?];
    group
        .until("two members share", |seen| seen.share(2, 6))
        .await?;

    let looker: BaseConsumer = client(&[]).create()?;
    let list = looker.fetch_group_list(Some(&group.name), REQUEST_WAIT)?;
    let found = list.groups().first().context("not listed")?;
    ensure!(found.state() == "Stable", "state {}", found.state());
    ensure!(
        found.protocol_type() == "consumer",
        "type {}",
        found.protocol_type()
    );
    ensure!(
        found.protocol() == "roundrobin",
        "protocol {}",
        found.protocol()
    );
    let ids: BTreeSet<&str> = found
        .members()
        .iter()
        .map(|member| member.client_id())
        .collect();
    ensure!(ids == BTreeSet::from(["a", "b"]), "members {ids:?}");
    let all = looker.fetch_group_list(None, REQUEST_WAIT)?;
    ensure!(
        all.groups().iter().any(|found| found.name() == group.name),
        "not in the list"
    );

    let refused = admin()?.delete_groups(&[&group.name], &options()).await?;
    ensure!(
        refused == [Err((group.name.clone(), Code::NonEmptyGroup))],
        "{refused:?}"
    );
    stop_all(members).await
}

async fn inconsistent() -> Result<()> {
    let topic = topic("inconsistent", PARTITIONS).await?;
    let group = Group::new(unique("inconsistent"), &topic, &[]);
    let strategy = |name| [("partition.assignment.strategy", name)];
    let first = group.join("first", &strategy("range"))?;
    group
        .until("the first member owns everything", |seen| seen.share(1, 6))
        .await?;

    let second = group.join("second", &strategy("roundrobin"))?;

    let inconsistent = |error: &String| error.contains("InconsistentGroupProtocol");
    group
        .until("the second member is refused", |seen| {
            seen.errors.iter().any(inconsistent)
        })
        .await?;
    stop_all(vec![second, first]).await
}
