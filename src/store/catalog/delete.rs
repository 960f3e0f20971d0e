//! The end of streams: their records, and every offset that was committed in them, go with them.

use super::remove;
use crate::store::Name;
use crate::store::engine::{Expect, Intent, Refusal};
use crate::store::error::StoreError;
use crate::store::state::Key;
use crate::store::stream::Stream;
use crate::store::view::View;
use std::collections::HashSet;
use std::sync::Arc;

impl View {
    /// Ends a stream with its records and every offset that was committed in it.
    pub async fn delete_stream(&self, name: &str) -> Result<(), StoreError> {
        let stream = self.stream(name)?;
        let ended = self.delete_streams(&[stream]).await;
        ended.into_iter().next().expect("one outcome for each")
    }

    /// Ends these incarnations of streams by one commit, and waits until it is durable. A namesake
    /// that was made meanwhile stays.
    pub async fn delete_streams(&self, streams: &[Arc<Stream>]) -> Vec<Result<(), StoreError>> {
        loop {
            let mut atom = Vec::new();
            let mut names = HashSet::new();
            let mut outcomes = Vec::with_capacity(streams.len());
            for stream in streams {
                // Of one that is named twice the second finds nothing.
                let gone = || StoreError::UnknownStream(stream.name.clone());
                let is_first = names.insert(stream.name.clone());
                let ended = is_first.then(|| self.ended(stream));
                let ended = ended.unwrap_or_else(|| Err(gone()));
                outcomes.push(ended.map(|intents| atom.extend(intents)));
            }
            if atom.is_empty() {
                return outcomes;
            }
            atom.extend(self.commits_of_streams(&names).map(remove));
            let failed = match self.commit(atom).await {
                Ok(Ok(_)) => return outcomes,
                // One was changed meanwhile, or is gone: look again.
                Ok(Err(Refusal::Unexpected { .. })) => continue,
                Ok(Err(refusal)) => refusal.into(),
                Err(error) => error,
            };
            let fail = |outcome: Result<(), StoreError>| outcome.and(Err(failed.clone()));
            return outcomes.into_iter().map(fail).collect();
        }
    }

    /// What takes this incarnation, as it is now, out of the catalogue.
    fn ended(&self, this: &Stream) -> Result<impl Iterator<Item = Intent> + use<>, StoreError> {
        let (stream, entry) = self.stream_entry(&this.name)?;
        if stream.id != this.id {
            return Err(StoreError::UnknownStream(this.name.clone()));
        }
        let by_name = Intent::Put {
            key: Key::Stream(stream.name.clone()),
            value: None,
            expect: Expect::Version(entry.version),
        };
        let by_id = remove(Key::StreamName(stream.id));
        let partitions = stream.partitions.clone().into_iter();
        let dropped = partitions.map(|partition| Intent::Drop { partition });
        Ok([by_name, by_id].into_iter().chain(dropped))
    }

    /// Keys of every group's commits in these streams.
    fn commits_of_streams(&self, names: &HashSet<Name>) -> impl Iterator<Item = Key> {
        let all = self.all_commits();
        all.filter(|key| names.contains(&key.stream))
            .map(Key::Commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::catalog::NewStream;
    use crate::store::{Memory, Settings, Store};

    #[tokio::test]
    async fn who_deletes_a_stream_that_is_gone_leaves_its_namesake_alone() {
        let clock = Clock::system();
        let store = Store::new(Arc::new(Memory::new(clock.clone(), 1 << 20)), clock);
        let new = |name: &str| NewStream {
            name: name.into(),
            partition_count: 1,
            settings: Settings::default(),
        };
        let view = store.view();
        let other = view.create_stream(new("payments")).await.expect("a name");
        let first = view.create_stream(new("orders")).await.expect("a new name");
        view.delete_stream("orders").await.expect("it is there");
        let second = view.create_stream(new("orders")).await.expect("free again");

        let ended = view.delete_streams(&[first, other.clone(), other]).await;

        let gone = |name: &str| Err(StoreError::UnknownStream(name.into()));
        assert_eq!(ended, [gone("orders"), Ok(()), gone("payments")]);
        assert_eq!(view.stream("orders").expect("the namesake").id, second.id);
        assert!(view.stream("payments").is_err());
    }
}
