//! Streams that were read before, for as long as no stream changes: nearly every request names
//! one, and should neither wait for those that commit nor make them wait.

use super::stream::Stream;
use super::{Name, Position, StreamId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Streams as they are since one commit.
#[derive(Default)]
pub struct KnownStreams {
    streams: RwLock<Streams>,
}

#[derive(Default)]
struct Streams {
    /// The commit that changed a stream last.
    since: Position,
    by_name: HashMap<Name, Arc<Stream>>,
    by_id: HashMap<StreamId, Arc<Stream>>,
}

impl KnownStreams {
    /// The stream of this name, if it was read since that commit.
    pub fn by_name(&self, name: &str, since: Position) -> Option<Arc<Stream>> {
        let streams = self.streams.read();
        let known = streams.by_name.get(name).filter(|_| streams.since == since);
        known.cloned()
    }

    /// The same by id.
    pub fn by_id(&self, id: StreamId, since: Position) -> Option<Arc<Stream>> {
        let streams = self.streams.read();
        let known = streams.by_id.get(&id).filter(|_| streams.since == since);
        known.cloned()
    }

    /// Remembers a stream as it is since that commit, and forgets those that are older.
    pub fn learn(&self, stream: &Arc<Stream>, since: Position) {
        let mut streams = self.streams.write();
        if streams.since < since {
            *streams = Streams {
                since,
                ..Streams::default()
            };
        }
        if streams.since == since {
            streams.by_name.insert(stream.name.clone(), stream.clone());
            streams.by_id.insert(stream.id, stream.clone());
        }
    }
}
