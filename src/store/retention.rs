//! Retention: records go by age of arrival and by size, committed offsets after a group's silence.
//!
//! Works through the store alone, so it is the same for every engine. A record's age counts from
//! its arrival (design §4), whatever its producer's timestamp says.

use super::engine::{Expect, Intent, Seek};
use super::error::StoreError;
use super::partition::Partition;
use super::settings::Settings;
use super::state::{Commit, Entry, Key, Value};
use super::view::{Store, View, answered};
use super::{Name, Offset, PartitionIndex, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::yield_now;

/// Partitions that are looked at before others have their turn.
const PARTITIONS_AT_ONCE: u32 = 64;

/// How long things are kept and how often that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub check_ms: u64,
    /// How long committed offsets outlive their group's last member or, without members, the
    /// commit.
    pub offsets_ms: u64,
}

/// What one round has let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Partitions whose log start has moved.
    pub partitions: usize,
    /// Committed offsets that have lapsed.
    pub commits: usize,
}

impl Retention {
    /// Enforces retention again and again until `stop` turns true.
    pub async fn run(self, store: Arc<Store>, mut stop: watch::Receiver<bool>) {
        let pause = Duration::from_millis(self.check_ms);
        loop {
            let stopped = stop.wait_for(|stop| *stop);
            if tokio::time::timeout(pause, stopped).await.is_ok() {
                return;
            }
            match self.enforce(&store.view(), store.clock.now()).await {
                Ok(released) if released == Released::default() => {}
                Ok(Released {
                    partitions,
                    commits,
                }) => tracing::debug!(partitions, commits, "retention has passed"),
                Err(StoreError::Stopping) => return,
                Err(error) => tracing::warn!(%error, "retention was not enforced"),
            }
        }
    }

    /// Lets go of everything whose time has come by `now`, and waits until that is durable.
    pub async fn enforce(&self, view: &View, now: Timestamp) -> Result<Released, StoreError> {
        let partitions = view.trim_streams(now).await?;
        let mut commits = 0;
        for group in view.groups_with_commits() {
            commits += view.expire_commits(&group, self.offsets_ms, now).await?;
            yield_now().await;
        }
        Ok(Released {
            partitions,
            commits,
        })
    }
}

impl View {
    async fn trim_streams(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut trims = Vec::new();
        for stream in self.all_streams() {
            if !stream.settings.is_deleted_from() {
                continue;
            }
            for index in (0..).zip(&stream.partitions).map(|(index, _)| index) {
                let partition = self.partition(&stream, PartitionIndex(index))?;
                match partition.trim_due(&stream.settings, now).await {
                    Ok(trim) => trims.extend(trim.map(|trim| vec![trim])),
                    // Its stream has ended meanwhile.
                    Err(StoreError::PartitionGone) => {}
                    // What is damaged must not keep the others from giving their space back.
                    Err(StoreError::Disk(error)) => {
                        tracing::error!(stream = %stream.name, index, %error, "not trimmed");
                    }
                    Err(error) => return Err(error),
                }
                // A hundred thousand partitions must not keep a request waiting.
                if index % PARTITIONS_AT_ONCE == 0 {
                    yield_now().await;
                }
            }
        }
        if trims.is_empty() {
            return Ok(0);
        }
        let decisions = answered(self.engine().commit(trims)).await?;
        Ok(decisions.into_iter().filter(Result::is_ok).count())
    }

    /// Every group that is stored or has committed, in order.
    fn groups_with_commits(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.groups().collect();
        names.extend(self.committers());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Forgets a group's lapsed commits, and an empty group with its last one, unless somebody
    /// changes one of them at the same time; the next round will see.
    async fn expire_commits(
        &self,
        group: &Name,
        kept_ms: u64,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let group_key = Key::Group(group.clone());
        let stored = self.get(&group_key);
        let empty_since = match stored.as_ref().map(|entry| &entry.value) {
            Some(Value::Group(group)) => group.empty_since,
            _ => None,
        };
        if stored.is_some() && empty_since.is_none() {
            return Ok(0);
        }
        let commits = self.commit_entries(group);
        let count = commits.len();
        let lapsed = |(_, entry): &(Key, Entry)| match &entry.value {
            Value::Commit(commit) => commit.has_lapsed(empty_since, kept_ms, now),
            _ => false,
        };
        let lapsed: Vec<_> = commits.into_iter().filter(lapsed).collect();
        let since = empty_since.unwrap_or(now);
        let is_over = lapsed.len() == count && has_passed(since, kept_ms, now);
        let ended = stored.filter(|_| is_over).map(|entry| (group_key, entry));
        let expired = lapsed.len();
        let atom: Vec<Intent> = ended
            .into_iter()
            .chain(lapsed)
            .map(remove_exactly)
            .collect();
        if atom.is_empty() {
            return Ok(0);
        }
        let decision = self.commit(atom).await?;
        Ok(decision.map_or(0, |_| expired))
    }
}

impl Commit {
    fn has_lapsed(&self, empty_since: Option<Timestamp>, kept_ms: u64, now: Timestamp) -> bool {
        match self.expires {
            Some(expires) => now >= expires,
            None => {
                let since = empty_since.map_or(self.at, |empty| empty.max(self.at));
                has_passed(since, kept_ms, now)
            }
        }
    }
}

impl Partition {
    /// The trim that retention demands now. It never goes beyond the high watermark.
    async fn trim_due(
        &self,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Option<Intent>, StoreError> {
        // Whatever arrives after this look is kept at least until the next one.
        let status = self.status()?;
        let (start, end) = (status.log_start, status.high_watermark);
        if start == end {
            return Ok(None);
        }
        let mut to = start;
        if let Some(ms) = settings.retention_ms() {
            let horizon = Timestamp(now.0.saturating_sub(ms));
            to = to.max(match status.last_arrival < horizon {
                true => end,
                false => self.first(Seek::Arrival(horizon), end).await?,
            });
        }
        if let Some(bytes) = settings.retention_bytes().filter(|max| status.bytes > *max) {
            // However small the bound, the newest batch stays.
            let newest = self.first(Seek::Offset(Offset(end.0 - 1)), start).await?;
            let kept = self.first(Seek::TailBytes(bytes), end).await?;
            to = to.max(kept.min(newest));
        }
        let partition = self.id();
        let to = to.min(end);
        Ok((to > start).then_some(Intent::Trim { partition, to }))
    }

    async fn first(&self, seek: Seek, otherwise: Offset) -> Result<Offset, StoreError> {
        let found = self.seek(seek).await?;
        Ok(found.map_or(otherwise, |batch| batch.base))
    }
}

fn has_passed(since: Timestamp, kept_ms: u64, now: Timestamp) -> bool {
    u64::try_from(now.0.saturating_sub(since.0)).is_ok_and(|passed| passed >= kept_ms)
}

/// Removes a value if it is still the one that was read.
fn remove_exactly((key, entry): (Key, Entry)) -> Intent {
    Intent::Put {
        key,
        value: None,
        expect: Expect::Version(entry.version),
    }
}

#[cfg(test)]
mod tests;
