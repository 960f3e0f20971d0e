//! What follows the head of a request, and the memory that it lies in.

use crate::store::{Berth, Landed};
use bytes::Bytes;

/// The rest of a request.
#[derive(Clone, Debug)]
pub struct Body {
    memory: Landed,
    /// Where it begins.
    at: usize,
    /// Where the one large batch in it lies, if there is one.
    berth: Option<Berth>,
}

impl Body {
    /// What begins at `at` of `memory`; there may be a batch in a berth.
    pub fn new(memory: Landed, at: usize, berth: Option<Berth>) -> Body {
        Body { memory, at, berth }
    }

    pub fn len(&self) -> usize {
        self.memory.bytes.len() - self.at
    }

    pub fn rest(&self) -> Bytes {
        self.memory.bytes.slice(self.at..)
    }

    /// The same once all but `rest` of it has been read.
    pub fn read_up_to(self, rest: &Bytes) -> Body {
        Body {
            at: self.memory.bytes.len() - rest.len(),
            ..self
        }
    }

    /// A part of it with the room that is in front of it in a berth.
    pub fn widened(&self, part: &Bytes) -> Option<Landed> {
        self.berth?.widened(&self.memory, part)
    }
}

impl From<Bytes> for Body {
    fn from(memory: Bytes) -> Body {
        Body::new(memory.into(), 0, None)
    }
}
