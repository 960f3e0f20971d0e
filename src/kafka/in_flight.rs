//! One connection's requests between their arrival and their answers: effects and replies keep
//! request order, the waits between them overlap.

use super::api::api_versions;
use super::apis;
use super::budget::Budget;
use super::cx::Cx;
use super::error::Disconnect;
use super::frame::Frame;
use super::reply::{Answer, Reply, Respond};
use super::shape;
use crate::store::{Caller, View};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::OwnedSemaphorePermit;

/// Requests of one connection that may wait for their answers.
const OUTSTANDING_MAX: usize = 128;
/// Ready replies that go out in one write.
const GATHERED_BYTES_MAX: usize = 1 << 20;
/// Answers that wait behind an earlier one before no more requests are read.
const QUEUED_BYTES_MAX: usize = 1 << 20;

/// An answer that waits for its turn, for its own reasons and for what it observed to be durable.
type Pending = BoxFuture<'static, Result<Answer, Disconnect>>;

/// At most one request that is given its place, and those that have theirs.
#[derive(Default)]
pub struct InFlight {
    placing: Option<BoxFuture<'static, Result<Pending, Disconnect>>>,
    replies: FuturesOrdered<Pending>,
    queued_bytes: Arc<AtomicUsize>,
}

/// What has happened to the requests.
pub enum Step {
    /// The newest one's effect has its place.
    Placed,
    /// The oldest ones' answers may go.
    Ready(Ready),
}

impl InFlight {
    pub fn are_done(&self) -> bool {
        self.placing.is_none() && self.replies.is_empty()
    }

    /// Whether one more may begin.
    pub fn have_room(&self) -> bool {
        self.placing.is_none()
            && self.replies.len() < OUTSTANDING_MAX
            && self.queued_bytes.load(Ordering::Relaxed) < QUEUED_BYTES_MAX
    }

    pub fn begin(&mut self, mut cx: Cx, frame: Frame) {
        // What a peer has sent already is read while its earlier requests are on their way.
        cx.caller = match frame.is_awaited && self.replies.is_empty() {
            true => Caller::Waits,
            false => Caller::GoesOn,
        };
        self.placing = Some(handle(cx, frame, self.queued_bytes.clone()).boxed());
    }

    /// Waits for the next thing to happen; nothing is lost when this is dropped.
    pub async fn step(&mut self) -> Result<Step, Disconnect> {
        tokio::select! {
            Some(first) = self.replies.next(), if !self.replies.is_empty() => {
                let ready = gather(first, &mut self.replies);
                self.queued_bytes.fetch_sub(ready.bytes, Ordering::Relaxed);
                Ok(Step::Ready(ready))
            }
            placed = placed(&mut self.placing), if self.placing.is_some() => {
                self.placing = None;
                self.replies.push_back(placed?);
                Ok(Step::Placed)
            }
            else => std::future::pending().await,
        }
    }
}

async fn placed<T>(placing: &mut Option<BoxFuture<'static, T>>) -> T {
    match placing {
        Some(placing) => placing.await,
        None => std::future::pending().await,
    }
}

/// Gives a request's effect its place; what is returned is the wait for the rest.
async fn handle(
    cx: Cx,
    frame: Frame,
    queued_bytes: Arc<AtomicUsize>,
) -> Result<Pending, Disconnect> {
    let Frame {
        head, body, held, ..
    } = frame;
    if apis::is_unreadable(&head) {
        let answer = api_versions::unsupported().respond(head.response(0));
        let reply = Reply::Now(answer);
        let held = held.into_iter().collect();
        return Ok(settled(cx.store, reply, held, queued_bytes).boxed());
    }
    let (client_id, body) = apis::client_id(&head, body)?;
    let elements_max = cx.budget.elements_max();
    let elements = shape::elements(head.key, head.version, &body.rest(), elements_max)?;
    let mut decoded = cx.budget.decoded(head.key, body.len(), elements).await;
    let cx = Cx { client_id, ..cx };
    let reply = apis::dispatch(&cx, head, body).await?;
    let held = match reply {
        Reply::Parked(_) => Vec::new(),
        Reply::Now(_) | Reply::Later(_) => {
            Budget::waiting(&mut decoded, elements);
            held.into_iter().chain([decoded]).collect()
        }
    };
    Ok(settled(cx.store, reply, held, queued_bytes).boxed())
}

/// No reply leaves before what it contains or observed is durable (design §8, invariant 8).
async fn settled(
    store: View,
    reply: Reply<Answer>,
    held: Vec<OwnedSemaphorePermit>,
    queued_bytes: Arc<AtomicUsize>,
) -> Result<Answer, Disconnect> {
    let answer = reply.wait().await;
    store.settle().await?;
    drop(held);
    queued_bytes.fetch_add(answer.bytes(), Ordering::Relaxed);
    Ok(answer)
}

/// Answers that are written together, the room they hold until then, and whether the connection
/// ends behind them.
pub struct Ready {
    pub pieces: VecDeque<Bytes>,
    pub bytes: usize,
    held: Vec<OwnedSemaphorePermit>,
    pub end: Result<(), Disconnect>,
}

/// The first answer with those behind it that are ready too.
fn gather(first: Result<Answer, Disconnect>, replies: &mut FuturesOrdered<Pending>) -> Ready {
    let mut ready = Ready {
        pieces: VecDeque::new(),
        bytes: 0,
        held: Vec::new(),
        end: Ok(()),
    };
    let mut next = Some(first);
    while let Some(answer) = next {
        match answer {
            Ok(Answer::Frame { pieces, held }) => {
                ready.bytes += pieces.iter().map(Bytes::len).sum::<usize>();
                ready.pieces.extend(pieces);
                ready.held.extend(held);
            }
            Ok(Answer::Silence) => {}
            Ok(Answer::Close) => ready.end = Err(Disconnect::Unanswerable),
            Err(reason) => ready.end = Err(reason),
        }
        if ready.end.is_err() || ready.bytes >= GATHERED_BYTES_MAX {
            return ready;
        }
        next = replies.next().now_or_never().flatten();
    }
    ready
}
