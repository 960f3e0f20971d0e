//! What a handler returns: the answer, or the future of it.

use super::wire::ResponseHead;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

/// The handler's effect has taken its place when it returns this; what is left is waiting.
pub enum Reply<T> {
    Now(T),
    /// As soon as the server can: it waits for durability, or for room.
    Later(BoxFuture<'static, T>),
    /// As soon as others do something: the request's own room is given back, so this keeps
    /// nothing of its frame, and what it does keep has a bound elsewhere.
    Parked(BoxFuture<'static, T>),
}

impl<T> Reply<T> {
    pub fn later(rest: impl Future<Output = T> + Send + 'static) -> Reply<T> {
        Reply::Later(rest.boxed())
    }

    pub fn parked(rest: impl Future<Output = T> + Send + 'static) -> Reply<T> {
        Reply::Parked(rest.boxed())
    }

    /// The answer itself, however long it takes.
    pub async fn wait(self) -> T {
        match self {
            Reply::Now(response) => response,
            Reply::Later(rest) | Reply::Parked(rest) => rest.await,
        }
    }
}

/// What goes out on the socket for one request.
#[derive(Debug)]
pub enum Answer {
    /// A whole frame, in pieces that are written one behind the other.
    Frame {
        pieces: Vec<Bytes>,
        /// Room in a budget that is given back once the frame is written.
        held: Option<OwnedSemaphorePermit>,
    },
    /// No reply was asked for.
    Silence,
    /// Nothing can be said: the connection ends.
    Close,
}

impl Answer {
    pub fn bytes(&self) -> usize {
        match self {
            Answer::Frame { pieces, .. } => pieces.iter().map(Bytes::len).sum(),
            Answer::Silence | Answer::Close => 0,
        }
    }
}

/// A response that can be written.
pub trait Respond {
    fn respond(self, head: ResponseHead) -> Answer;
}

/// A response that takes room until it is written.
pub struct Charged<T> {
    pub response: T,
    pub room: Option<OwnedSemaphorePermit>,
}

impl<T: Respond> Respond for Charged<T> {
    fn respond(self, head: ResponseHead) -> Answer {
        match self.response.respond(head) {
            Answer::Frame { pieces, held } => Answer::Frame {
                pieces,
                held: self.room.or(held),
            },
            other @ (Answer::Silence | Answer::Close) => other,
        }
    }
}
