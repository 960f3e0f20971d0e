//! A consumer group whose members run as tasks, and what they have been seen to do.

use anyhow::{Context as _, Result};
use braid_clients::kafka::client;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Time within which a group must have done what is expected of it.
const GROUP_WAIT: Duration = Duration::from_secs(30);

/// What all members together have been seen to do.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub members: BTreeMap<String, MemberSeen>,
    /// Every record that any member received: partition and offset, in order of arrival.
    pub records: Vec<(i32, i64)>,
    pub errors: Vec<String>,
}

/// What one member has been seen to do.
#[derive(Clone, Debug, Default)]
pub struct MemberSeen {
    pub owned: BTreeSet<i32>,
    pub assignments: usize,
    /// Partitions taken away, once for each time.
    pub revoked: Vec<i32>,
}

impl Seen {
    /// Whether the members own all `partitions`, each of them a part, and none two.
    pub fn share(&self, members: usize, partitions: usize) -> bool {
        let owned: Vec<&MemberSeen> = self.active().collect();
        let total: usize = owned.iter().map(|member| member.owned.len()).sum();
        let distinct: BTreeSet<i32> = owned
            .iter()
            .flat_map(|member| member.owned.iter().copied())
            .collect();
        owned.len() == members && total == partitions && distinct.len() == partitions
    }

    fn active(&self) -> impl Iterator<Item = &MemberSeen> {
        self.members
            .values()
            .filter(|member| !member.owned.is_empty())
    }
}

/// One group on one topic.
#[derive(Clone)]
pub struct Group {
    pub name: String,
    subscription: String,
    settings: Vec<(String, String)>,
    seen: Arc<watch::Sender<Seen>>,
}

/// A running member; stops reading and leaves when told to.
pub struct Member {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Group {
    pub fn new(name: String, subscription: &str, settings: &[(&str, &str)]) -> Group {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Group {
            name,
            subscription: subscription.to_owned(),
            settings: settings.iter().map(owned).collect(),
            seen: Arc::new(watch::Sender::new(Seen::default())),
        }
    }

    /// Starts a member of this name, which commits as it goes and reads from the beginning.
    pub fn join(&self, member: &str, settings: &[(&str, &str)]) -> Result<Member> {
        let mut config = client(&[
            ("group.id", &self.name),
            ("client.id", member),
            ("auto.offset.reset", "earliest"),
            ("auto.commit.interval.ms", "500"),
            ("heartbeat.interval.ms", "300"),
        ]);
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let context = Watched {
            member: member.to_owned(),
            seen: self.seen.clone(),
        };
        let consumer: StreamConsumer<Watched> = config.create_with_context(context)?;
        consumer.subscribe(&[&self.subscription])?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(consume(consumer, self.seen.clone(), stopped));
        Ok(Member { stop, task })
    }

    /// Waits until what was seen satisfies `condition`, and returns it.
    pub async fn until(&self, what: &str, condition: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let mut watcher = self.seen.subscribe();
        let wait = tokio::time::timeout(GROUP_WAIT, watcher.wait_for(|seen| condition(seen)));
        let found = match wait.await {
            Ok(found) => found.map(|seen| seen.clone()).context("the group ended"),
            Err(_) => Err(anyhow::anyhow!("waiting until {what}")),
        };
        found.with_context(|| {
            let seen = self.seen();
            format!(
                "members {:?}, {} records, errors {:?}",
                seen.members,
                seen.records.len(),
                seen.errors
            )
        })
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

impl Member {
    /// Stops the member and waits until it has closed.
    pub async fn stop(self) -> Result<()> {
        self.stop.send(()).ok();
        tokio::time::timeout(GROUP_WAIT, self.task)
            .await
            .context("closing a member")??;
        Ok(())
    }
}

async fn consume(
    consumer: StreamConsumer<Watched>,
    seen: Arc<watch::Sender<Seen>>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let received = tokio::select! {
            _ = &mut stopped => break,
            received = consumer.recv() => received,
        };
        seen.send_modify(|seen| match &received {
            Ok(message) => seen.records.push((message.partition(), message.offset())),
            Err(error) => seen.errors.push(error.to_string()),
        });
    }
    // Closing commits and leaves, and blocks until the server has answered.
    tokio::task::spawn_blocking(move || drop(consumer))
        .await
        .ok();
}

/// Notes what the group's coordinator gives and takes.
struct Watched {
    member: String,
    seen: Arc<watch::Sender<Seen>>,
}

impl ClientContext for Watched {}

impl ConsumerContext for Watched {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else {
            return;
        };
        let taken = numbers(list);
        self.seen.send_modify(|seen| {
            let member = seen.members.entry(self.member.clone()).or_default();
            for partition in &taken {
                member.owned.remove(partition);
            }
            member.revoked.extend(taken);
        });
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else {
            return;
        };
        let given = numbers(list);
        self.seen.send_modify(|seen| {
            let member = seen.members.entry(self.member.clone()).or_default();
            member.owned.extend(given);
            member.assignments += 1;
        });
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}

/// The committed offset of every partition, as another client sees it.
pub fn committed(group: &str, topic: &str, partitions: i32) -> Result<Vec<Offset>> {
    let consumer: BaseConsumer = client(&[("group.id", group)]).create()?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, partitions - 1);
    let found = consumer.committed_offsets(asked, braid_clients::kafka::REQUEST_WAIT)?;
    Ok(found
        .elements()
        .iter()
        .map(|element| element.offset())
        .collect())
}
