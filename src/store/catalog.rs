//! The catalogue: streams by name and by id, made, changed and ended.

mod create;
mod delete;

pub use create::NewStream;

use super::engine::{Atom, Expect, Intent, Observed, Refusal};
use super::error::StoreError;
use super::settings::Settings;
use super::state::{Counter, Entry, Key, Value};
use super::stream::Stream;
use super::view::View;
use super::{Name, StreamId};
use std::ops::Range;
use std::sync::Arc;

impl View {
    pub fn stream(&self, name: &str) -> Result<Arc<Stream>, StoreError> {
        let since = self.engine().streams_changed();
        if let Some(stream) = self.store.known.by_name(name, since) {
            return Ok(self.see(Observed {
                value: stream,
                position: since,
            }));
        }
        let key = Key::Stream(name.into());
        let found = self.engine().get(&key);
        let since = found.position;
        let stream = self.see(found).and_then(stream_of);
        let stream = stream.ok_or_else(|| StoreError::UnknownStream(name.into()))?;
        self.store.known.learn(&stream, since);
        Ok(stream)
    }

    /// The stream with this id, `None` if it never was or is gone.
    pub fn stream_by_id(&self, id: StreamId) -> Option<Arc<Stream>> {
        let since = self.engine().streams_changed();
        if let Some(stream) = self.store.known.by_id(id, since) {
            return Some(self.see(Observed {
                value: stream,
                position: since,
            }));
        }
        match self.get(&Key::StreamName(id))?.value {
            Value::StreamName(name) => self.stream(&name).ok().filter(|stream| stream.id == id),
            _ => None,
        }
    }

    /// Streams in name order, from the first one after `after` on.
    pub fn streams(&self, after: Option<&str>, count_max: usize) -> Vec<Arc<Stream>> {
        let first = after.map_or_else(|| "".into(), |name| Name::from(name).successor());
        let found = self.scan(streams_from(first), count_max).into_iter();
        found.filter_map(|(_, entry)| stream_of(entry)).collect()
    }

    /// The first stream whose name begins with this.
    pub fn stream_with_prefix(&self, prefix: &str) -> Option<Arc<Stream>> {
        let found = self.scan(streams_from(prefix.into()), 1).into_iter();
        let first = found.filter_map(|(_, entry)| stream_of(entry)).next();
        first.filter(|stream| stream.name.starts_with(prefix))
    }

    /// All streams in name order.
    pub fn all_streams(&self) -> impl Iterator<Item = Arc<Stream>> + use<> {
        let found = self.each(streams_from("".into()));
        found.filter_map(|(_, entry)| stream_of(entry))
    }

    /// Replaces a stream's settings by what `change` makes of them, and waits until that is
    /// durable. `change` may be asked again if somebody else changed the stream meanwhile.
    pub async fn change_settings<E: From<StoreError>>(
        &self,
        name: &str,
        change: impl Fn(&Settings) -> Result<Settings, E>,
    ) -> Result<(), E> {
        loop {
            let (stream, entry) = self.stream_entry(name)?;
            let settings = change(&stream.settings)?;
            let changed = Stream {
                settings,
                ..(*stream).clone()
            };
            let expect = Expect::Version(entry.version);
            let key = Key::Stream(stream.name.clone());
            let atom = vec![put(key, Value::Stream(Arc::new(changed)), expect)];
            match self.commit(atom).await? {
                Ok(_) => return Ok(()),
                Err(Refusal::Unexpected { .. }) => {}
                Err(refusal) => return Err(StoreError::from(refusal).into()),
            }
        }
    }

    fn stream_entry(&self, name: &str) -> Result<(Arc<Stream>, Entry), StoreError> {
        let name = Name::from(name);
        let entry = self.get(&Key::Stream(name.clone()));
        let entry = entry.ok_or_else(|| StoreError::UnknownStream(name.clone()))?;
        let stream = stream_of(entry.clone()).ok_or(StoreError::UnknownStream(name))?;
        Ok((stream, entry))
    }

    /// Where a counter stands, ready to be advanced under that condition.
    pub(super) fn counter(&self, counter: Counter, first: u64) -> CounterAt {
        let key = Key::Counter(counter);
        match self.get(&key) {
            Some(Entry {
                value: Value::Counter(next),
                version,
            }) => CounterAt {
                key,
                next,
                expect: Expect::Version(version),
            },
            _ => CounterAt {
                key,
                next: first,
                expect: Expect::Absent,
            },
        }
    }
}

/// A counter as it was read.
pub(super) struct CounterAt {
    key: Key,
    pub next: u64,
    expect: Expect,
}

impl CounterAt {
    /// Takes the numbers before `next`, provided that nobody else has.
    pub fn advanced_to(&self, next: u64) -> Intent {
        put(self.key.clone(), Value::Counter(next), self.expect)
    }
}

pub(super) fn put(key: Key, value: Value, expect: Expect) -> Intent {
    Intent::Put {
        key,
        value: Some(value),
        expect,
    }
}

pub(super) fn remove(key: Key) -> Intent {
    Intent::Put {
        key,
        value: None,
        expect: Expect::Anything,
    }
}

/// A lone intent as an atom reads better where it is committed.
pub(super) fn atom(intents: impl IntoIterator<Item = Intent>) -> Atom {
    intents.into_iter().collect()
}

fn streams_from(name: Name) -> Range<Key> {
    Key::Stream(name)..Key::StreamName(StreamId::default())
}

fn stream_of(entry: Entry) -> Option<Arc<Stream>> {
    match entry.value {
        Value::Stream(stream) => Some(stream),
        _ => None,
    }
}
