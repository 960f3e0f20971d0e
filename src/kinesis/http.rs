//! The listener: HTTP/1.1 and HTTP/2 by prior knowledge on one port, told apart by the preface.
//!
//! Every connection is bounded in headers, time and what it may buffer; bodies are bounded
//! together (`body`). A connection task never ends the process.

use super::again::Again;
use super::body::Bodies;
use super::cx::Cx;
use super::kept_timer::KeptTimer;
use super::operations::Answers;
use super::paced::Paced;
use super::reader::Reader;
use super::request::{self, Asked};
use super::response::{self, Answered};
use crate::admin::Admin;
use crate::clock::Clock;
use crate::config::KinesisConfig;
use crate::store::Store;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustix::net::sockopt::set_tcp_user_timeout;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

/// Connections served at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// Time for a new connection to send its first whole request head, preface included.
const FIRST_REQUEST_MS_MAX: u64 = 10_000;
/// Time for a kept-alive HTTP/1.1 connection to send its next request head.
const NEXT_REQUEST_MS_MAX: u64 = 120_000;
/// Bytes of a request's head, buffered by an HTTP/1.1 connection.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Requests in flight on one HTTP/2 connection: a stream per shard subscribed to, and more.
const STREAMS_MAX: u32 = 1000;
/// Unread bytes that an HTTP/2 connection, and one request on it, may have sent.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
const STREAM_WINDOW_BYTES: u32 = 512 << 10;
/// Silence after which an HTTP/2 peer is asked whether it is still there, and then given up.
const PING_MS: u64 = 60_000;
const PONG_MS_MAX: u64 = 20_000;
/// Time that sent bytes may stay unacknowledged, or a peer refuse to take more.
const UNREAD_MS_MAX: u32 = 60_000;
/// Pause after a failed accept (the process is out of descriptors, mostly).
const ACCEPT_PAUSE_MS: u64 = 50;

/// What all connections of this face share.
pub struct Face {
    store: Arc<Store>,
    config: Arc<KinesisConfig>,
    clock: Clock,
    admin: Arc<Admin>,
    bodies: Bodies,
    answers: Answers,
    reader: Arc<Reader>,
}

impl Face {
    pub fn new(
        store: Arc<Store>,
        config: KinesisConfig,
        clock: Clock,
        admin: Arc<Admin>,
    ) -> Arc<Face> {
        let bodies = Bodies::new(config.body_bytes_max, config.bodies_bytes_max / 2);
        let answers = Answers::new(config.bodies_bytes_max / 2);
        let reader = Arc::new(Reader::new(config.record_bytes_max));
        Arc::new(Face {
            store,
            config: Arc::new(config),
            clock,
            admin,
            bodies,
            answers,
            reader,
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Answered {
        if request.method() == Method::GET
            && let Some(page) = self.admin.page(request.uri().path())
        {
            return response::page(page);
        }
        let (head, body) = request.into_parts();
        let held = match self.bodies.read(body).await {
            Ok(held) => held,
            Err(unread) => return response::unread(&head.headers, unread),
        };
        let cx = Cx {
            store: self.store.view(),
            config: self.config.clone(),
            clock: self.clock.clone(),
            reader: self.reader.clone(),
        };
        let asked = Asked {
            method: &head.method,
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            body: held.bytes.clone(),
        };
        request::answer(&cx, &self.answers, asked).await
    }
}

/// Serves until `stop` turns true, then lets what is in flight finish and returns.
pub async fn serve(listener: TcpListener, face: Arc<Face>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let permit = room.clone().acquire_owned().await.expect("never closed");
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            Some(_) = connections.join_next() => continue,
            // An error means that the server is gone.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, face.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, face: Arc<Face>, mut stop: watch::Receiver<bool>) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a connection broke at once");
        return;
    }
    let clock = face.clock.clone();
    let stream = Paced::new(stream, clock.clone());
    let asked = Arc::new(Notify::new());
    let first_asked = asked.clone();
    let service = service_fn(move |request| {
        let face = face.clone();
        asked.notify_one();
        async move { Ok::<_, Infallible>(face.answer(request).await) }
    });
    let builder = builder(clock);
    let mut serving = Again::new(builder.serve_connection(TokioIo::new(stream), service));
    let first = Duration::from_millis(FIRST_REQUEST_MS_MAX);
    let mut first = pin!(tokio::time::timeout(first, first_asked.notified()));
    let mut is_asked = false;
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke");
                }
                return;
            }
            asked = first.as_mut(), if !is_asked => match asked {
                Ok(()) => is_asked = true,
                Err(_) => return,
            },
            _ = stop.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                serving.future().graceful_shutdown();
            }
        }
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Without this an answer may wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    Ok(set_tcp_user_timeout(stream, UNREAD_MS_MAX)?)
}

fn builder(clock: Clock) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(KeptTimer::new(clock))
        .header_read_timeout(Duration::from_millis(NEXT_REQUEST_MS_MAX))
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(Duration::from_millis(PING_MS))
        .keep_alive_timeout(Duration::from_millis(PONG_MS_MAX));
    builder
}
