//! Groups and their committed offsets, the stored truth that leases are rendered from.

use super::catalog::{atom, put, remove};
use super::engine::Expect;
use super::error::StoreError;
use super::state::{Commit, CommitKey, Entry, Group, Key, Value};
use super::stream::Stream;
use super::view::View;
use super::{Name, PartitionIndex};
use std::future::Future;
use std::sync::Arc;

/// One partition's offset to be committed.
#[derive(Clone, Debug)]
pub struct NewCommit {
    pub stream: Name,
    pub partition: PartitionIndex,
    pub commit: Commit,
}

impl View {
    /// A group's stored membership, if it was ever stored.
    pub fn group(&self, name: &str) -> Option<Arc<Group>> {
        match self.get(&Key::Group(name.into()))?.value {
            Value::Group(group) => Some(group),
            _ => None,
        }
    }

    /// Names of all stored groups, in order: those with a membership and those with commits only.
    pub fn groups(&self) -> impl Iterator<Item = Name> + use<> {
        let end = Key::Commit(commit_key("", "", 0));
        let found = self.each(Key::Group("".into())..end);
        found.filter_map(|(key, _)| match key {
            Key::Group(name) => Some(name),
            _ => None,
        })
    }

    /// Names of the groups that have commits, in order.
    pub(super) fn committers(&self) -> impl Iterator<Item = Name> + use<> {
        let view = self.clone();
        let mut from = commit_key("", "", 0);
        std::iter::from_fn(move || {
            let range = Key::Commit(from.clone())..commits_end();
            let (Key::Commit(CommitKey { group, .. }), _) = view.scan(range, 1).pop()? else {
                return None;
            };
            from = commit_key(&group.successor(), "", 0);
            Some(group)
        })
    }

    /// Stores a group's membership; its place is taken when this returns.
    pub fn put_group(
        &self,
        name: &str,
        group: Group,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let value = Value::Group(Arc::new(group));
        let done = self.commit(atom([put(
            Key::Group(name.into()),
            value,
            Expect::Anything,
        )]));
        async move { Ok(done.await?.map(drop)?) }
    }

    /// Removes a group with all its commits.
    pub fn delete_group(&self, name: &str) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let commits = self.commits(name).into_iter();
        let commits = commits.map(|(key, _)| remove(Key::Commit(key)));
        let group = std::iter::once(remove(Key::Group(name.into())));
        let done = self.commit(group.chain(commits).collect());
        async move { Ok(done.await?.map(drop)?) }
    }

    /// Commits offsets, all or none; their place is taken when this returns.
    pub fn commit_offsets(
        &self,
        group: &str,
        commits: Vec<NewCommit>,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let group: Name = group.into();
        let intents = commits.into_iter().map(|new| {
            let NewCommit {
                stream,
                partition,
                commit,
            } = new;
            let key = CommitKey {
                group: group.clone(),
                stream,
                partition,
            };
            put(Key::Commit(key), Value::Commit(commit), Expect::Anything)
        });
        let done = self.commit(intents.collect());
        async move { Ok(done.await?.map(drop)?) }
    }

    /// A group's committed offset of one partition of this incarnation of the stream.
    pub fn committed(
        &self,
        group: &Name,
        stream: &Stream,
        partition: PartitionIndex,
    ) -> Option<Commit> {
        let key = CommitKey {
            group: group.clone(),
            stream: stream.name.clone(),
            partition,
        };
        match self.get(&Key::Commit(key))?.value {
            Value::Commit(commit) => Some(commit).filter(|commit| commit.stream == stream.id),
            _ => None,
        }
    }

    /// All of a group's committed offsets.
    pub fn commits(&self, group: &str) -> Vec<(CommitKey, Commit)> {
        let found = self.commit_entries(group).into_iter();
        let commits = found.filter_map(|(key, entry)| match (key, entry.value) {
            (Key::Commit(key), Value::Commit(commit)) => Some((key, commit)),
            _ => None,
        });
        commits.collect()
    }

    /// All of a group's committed offsets, as they are stored.
    pub(super) fn commit_entries(&self, group: &str) -> Vec<(Key, Entry)> {
        let first = Key::Commit(commit_key(group, "", 0));
        let end = Key::Commit(commit_key(&Name::from(group).successor(), "", 0));
        self.scan(first..end, usize::MAX)
    }

    /// Keys of every group's commits. Reads all of them: for rare occasions only.
    pub(super) fn all_commits(&self) -> impl Iterator<Item = CommitKey> + use<> {
        let first = Key::Commit(commit_key("", "", 0));
        let found = self.each(first..commits_end());
        found.filter_map(|(key, _)| match key {
            Key::Commit(key) => Some(key),
            _ => None,
        })
    }
}

/// Behind every commit: no group's name reaches the largest character.
fn commits_end() -> Key {
    Key::Commit(commit_key("\u{10FFFF}", "", 0))
}

fn commit_key(group: &str, stream: &str, partition: u32) -> CommitKey {
    let partition = PartitionIndex(partition);
    CommitKey {
        group: group.into(),
        stream: stream.into(),
        partition,
    }
}
