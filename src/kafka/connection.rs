//! The Kafka socket: one task for each connection; effects and replies keep request order, the
//! waits between them overlap.

use super::api::api_versions;
use super::apis;
use super::budget::Budget;
use super::cx::Cx;
use super::error::Disconnect;
use super::face::Face;
use super::frame::{Frame, Frames};
use super::reply::{Answer, Reply, Respond};
use super::shape;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesOrdered};
use futures_util::{FutureExt, Stream, StreamExt};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Requests of one connection that may wait for their answers.
const OUTSTANDING_MAX: usize = 128;
/// Ready replies that go out in one write.
const GATHERED_BYTES_MAX: usize = 1 << 20;
/// Answers that wait behind an earlier one before no more requests are read.
const QUEUED_BYTES_MAX: usize = 1 << 20;
/// Pieces that one system call writes.
const SLICES_MAX: usize = 64;
/// Time after which a peer that takes no byte is given up.
const WRITE_STALL_MS_MAX: u64 = 60_000;
/// Pause after a failed accept: descriptors may have run out.
const ACCEPT_PAUSE_MS: u64 = 50;

/// Accepts until `stop` turns true, then lets requests in flight finish.
pub async fn serve(listener: TcpListener, face: Arc<Face>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept(), if connections.len() < face.config.connections_max => {
                match accepted {
                    Ok((socket, peer)) => {
                        connections.spawn(connection(socket, peer, face.clone(), stop.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a Kafka connection was not accepted");
                        tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                }
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a Kafka connection's task broke");
    }
}

async fn connection(
    mut socket: TcpStream,
    peer: SocketAddr,
    face: Arc<Face>,
    stop: watch::Receiver<bool>,
) {
    match exchange(&mut socket, peer, &face, stop).await {
        Ok(()) => tracing::trace!(%peer, "closed"),
        Err(reason) => tracing::debug!(%peer, %reason, "disconnected"),
    }
}

async fn exchange(
    socket: &mut TcpStream,
    peer: SocketAddr,
    face: &Arc<Face>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Disconnect> {
    socket.set_nodelay(true)?;
    let cx = face.cx(socket.local_addr()?, peer, stop.clone());
    let (source, mut sink) = socket.split();
    let frames = Frames::new(source, face.budget.clone(), face.config.frame_bytes_max);
    let mut frames = pin!(incoming(frames));
    let mut handling: Option<BoxFuture<'static, Result<Pending, Disconnect>>> = None;
    let mut replies: FuturesOrdered<Pending> = FuturesOrdered::new();
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    // Two halves of the idle time without a frame end the connection.
    let half_idle = Duration::from_millis(face.config.connection_idle_ms_max / 2);
    let mut timer = pin!(sleep(half_idle));
    let mut quiet_halves = 0;
    let mut stopping = *stop.borrow();
    loop {
        if stopping && handling.is_none() && replies.is_empty() {
            return Ok(());
        }
        let has_room = replies.len() < OUTSTANDING_MAX
            && queued_bytes.load(Ordering::Relaxed) < QUEUED_BYTES_MAX;
        let may_read = !stopping && handling.is_none() && has_room;
        tokio::select! {
            Some(answer) = replies.next(), if !replies.is_empty() => {
                let ready = gather(answer, &mut replies);
                queued_bytes.fetch_sub(ready.bytes, Ordering::Relaxed);
                write(&mut sink, ready.pieces).await?;
                ready.end?;
            }
            handled = ready(&mut handling), if handling.is_some() => {
                handling = None;
                replies.push_back(handled?);
            }
            frame = frames.next(), if may_read => {
                let Some(frame) = frame else {
                    return Ok(());
                };
                quiet_halves = 0;
                let cx = face.cx_of_request(&cx);
                handling = Some(handle(cx, frame?, queued_bytes.clone()).boxed());
            }
            () = &mut timer => {
                let is_quiet = replies.is_empty() && handling.is_none();
                quiet_halves = if is_quiet { quiet_halves + 1 } else { 0 };
                if quiet_halves > 1 {
                    return Err(Disconnect::Idle);
                }
                timer.set(sleep(half_idle));
            }
            () = stopped(&mut stop), if !stopping => stopping = true,
        }
    }
}

/// An answer that waits for its turn, for its own reasons and for what it observed to be durable.
type Pending = BoxFuture<'static, Result<Answer, Disconnect>>;

/// Frames as a stream, so that half a frame outlives a round of the loop above.
fn incoming<R: tokio::io::AsyncRead + Unpin>(
    frames: Frames<R>,
) -> impl Stream<Item = Result<Frame, Disconnect>> {
    stream::unfold(Some(frames), |frames| async {
        let mut frames = frames?;
        match frames.next().await {
            Ok(None) => None,
            Ok(Some(frame)) => Some((Ok(frame), Some(frames))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

async fn ready<T>(waiting: &mut Option<BoxFuture<'static, T>>) -> T {
    match waiting {
        Some(waiting) => waiting.await,
        None => std::future::pending().await,
    }
}

/// Gives a request's effect its place; what is returned is the wait for the rest.
async fn handle(
    cx: Cx,
    frame: Frame,
    queued_bytes: Arc<AtomicUsize>,
) -> Result<Pending, Disconnect> {
    let Frame { head, body, held } = frame;
    if apis::is_unreadable(&head) {
        let answer = api_versions::unsupported().respond(head.response(0));
        let reply = Reply::Now(answer);
        return Ok(settled(cx, reply, held.into_iter().collect(), queued_bytes).boxed());
    }
    let (client_id, body) = apis::client_id(&head, body)?;
    let elements = shape::elements(head.key, head.version, &body)?;
    let mut decoded = cx.budget.decoded(head.key, body.len(), elements).await;
    let cx = Cx { client_id, ..cx };
    let reply = apis::dispatch(&cx, head, body).await?;
    Budget::waiting(&mut decoded, elements);
    let held = held.into_iter().chain([decoded]).collect();
    Ok(settled(cx, reply, held, queued_bytes).boxed())
}

/// No reply leaves before what it contains or observed is durable (design §8, invariant 8).
async fn settled(
    cx: Cx,
    reply: Reply<Answer>,
    held: Vec<OwnedSemaphorePermit>,
    queued_bytes: Arc<AtomicUsize>,
) -> Result<Answer, Disconnect> {
    let answer = reply.wait().await;
    cx.store.settle().await?;
    drop(held);
    queued_bytes.fetch_add(answer.bytes(), Ordering::Relaxed);
    Ok(answer)
}

/// Frames that are written together, the room they hold until then, and whether the connection
/// ends behind them.
struct Ready {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    held: Vec<OwnedSemaphorePermit>,
    end: Result<(), Disconnect>,
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

async fn write(
    sink: &mut (impl AsyncWrite + Unpin),
    mut pieces: VecDeque<Bytes>,
) -> Result<(), Disconnect> {
    let stall = Duration::from_millis(WRITE_STALL_MS_MAX);
    pieces.retain(|piece| !piece.is_empty());
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> = pieces
            .iter()
            .take(SLICES_MAX)
            .map(|piece| IoSlice::new(piece))
            .collect();
        let written = timeout(stall, sink.write_vectored(&slices))
            .await
            .map_err(|_| Disconnect::SlowReceiver)??;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        advance(&mut pieces, written);
    }
    Ok(())
}

/// Lets go of what was written.
fn advance(pieces: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = pieces.front_mut() {
        if first.len() > written {
            drop(first.split_to(written));
            return;
        }
        written -= first.len();
        pieces.pop_front();
    }
}
