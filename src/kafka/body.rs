//! What follows the head of a request, and the memory that it lies in.

use crate::store::Berth;
use bytes::Bytes;

/// The rest of a request.
#[derive(Clone, Debug)]
pub struct Body {
    memory: Bytes,
    /// Where it begins.
    at: usize,
    /// Where the one large batch in it lies, if there is one.
    berth: Option<Berth>,
}

impl Body {
    /// What begins at `at` of `memory`, with a batch in a berth.
    pub fn berthed(memory: Bytes, at: usize, berth: Berth) -> Body {
        Body {
            memory,
            at,
            berth: Some(berth),
        }
    }

    pub fn len(&self) -> usize {
        self.memory.len() - self.at
    }

    pub fn rest(&self) -> Bytes {
        self.memory.slice(self.at..)
    }

    /// The same once all but `rest` of it has been read.
    pub fn read_up_to(self, rest: &Bytes) -> Body {
        Body {
            at: self.memory.len() - rest.len(),
            ..self
        }
    }

    /// A part of it with the room that is in front of it in a berth.
    pub fn widened(&self, part: &Bytes) -> Option<Bytes> {
        self.berth?.widened(&self.memory, part)
    }
}

impl From<Bytes> for Body {
    fn from(memory: Bytes) -> Body {
        Body {
            memory,
            at: 0,
            berth: None,
        }
    }
}
