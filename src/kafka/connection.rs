//! The Kafka socket: one task for each connection, which reads requests and writes answers.

use super::cx::Cx;
use super::error::Disconnect;
use super::face::Face;
use super::frame::{Frame, Frames};
use super::in_flight::{InFlight, Step};
use bytes::Bytes;
use futures_util::stream;
use futures_util::{Stream, StreamExt};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Pieces that one system call writes.
const SLICES_MAX: usize = 64;
/// Time after which a peer that takes no byte is given up.
const WRITE_STALL_MS_MAX: u64 = 60_000;
/// Rate at which a peer has to take what is written, on top of that time: until then it holds
/// room that others wait for.
const WRITE_BYTES_PER_MS: u64 = 64;
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
    socket: TcpStream,
    peer: SocketAddr,
    face: Arc<Face>,
    stop: watch::Receiver<bool>,
) {
    match converse(socket, peer, &face, stop).await {
        Ok(()) => tracing::trace!(%peer, "closed"),
        Err(reason) => tracing::debug!(%peer, %reason, "disconnected"),
    }
}

async fn converse(
    mut socket: TcpStream,
    peer: SocketAddr,
    face: &Face,
    stop: watch::Receiver<bool>,
) -> Result<(), Disconnect> {
    let _open = face.meters.connection();
    socket.set_nodelay(true)?;
    let cx = face.cx(socket.local_addr()?, peer, stop);
    let (source, sink) = socket.split();
    exchange(source, sink, face, cx).await
}

/// Reads requests and writes answers until either side has had enough.
async fn exchange(
    source: impl AsyncRead + Unpin,
    mut sink: impl AsyncWrite + Unpin,
    face: &Face,
    cx: Cx,
) -> Result<(), Disconnect> {
    let frames = Frames::new(source, face.budget.clone(), face.config.frame_bytes_max);
    let mut frames = pin!(incoming(frames));
    let mut requests = InFlight::default();
    let mut idle = Idle::new(face.config.connection_idle_ms_max);
    let mut half_idle = pin!(sleep(idle.half));
    let mut stop = cx.stop.clone();
    let mut stopping = *stop.borrow();
    while !(stopping && requests.are_done()) {
        tokio::select! {
            step = requests.step(), if !requests.are_done() => match step? {
                Step::Placed => {}
                Step::Ready(answers) => {
                    write(&mut sink, answers.pieces).await?;
                    face.meters.sent(answers.bytes);
                    answers.end?;
                }
            },
            frame = frames.next(), if !stopping && requests.have_room() => {
                let Some(frame) = frame else {
                    return Ok(());
                };
                let frame = frame?;
                idle.end();
                face.meters.request(frame.head.key, frame.bytes());
                requests.begin(face.cx_of_request(&cx), frame);
            }
            () = &mut half_idle => {
                idle.half_passed(requests.are_done())?;
                half_idle.set(sleep(idle.half));
            }
            () = stopped(&mut stop), if !stopping => stopping = true,
        }
    }
    Ok(())
}

/// Two halves of the idle time in which nothing was sent or under way end a connection.
struct Idle {
    half: Duration,
    quiet_halves: u32,
}

impl Idle {
    fn new(ms_max: u64) -> Idle {
        Idle {
            half: Duration::from_millis(ms_max / 2),
            quiet_halves: 0,
        }
    }

    fn end(&mut self) {
        self.quiet_halves = 0;
    }

    fn half_passed(&mut self, is_quiet: bool) -> Result<(), Disconnect> {
        self.quiet_halves = if is_quiet { self.quiet_halves + 1 } else { 0 };
        match self.quiet_halves {
            0 | 1 => Ok(()),
            _ => Err(Disconnect::Idle),
        }
    }
}

/// Frames as a stream, so that half a frame outlives a round of the loop above.
fn incoming<R: AsyncRead + Unpin>(
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

/// Writes all of it, to a peer that takes it in time.
async fn write(
    sink: &mut (impl AsyncWrite + Unpin),
    pieces: VecDeque<Bytes>,
) -> Result<(), Disconnect> {
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    let extra = u64::try_from(bytes).unwrap_or(u64::MAX) / WRITE_BYTES_PER_MS;
    let whole = Duration::from_millis(WRITE_STALL_MS_MAX + extra);
    timeout(whole, write_pieces(sink, pieces))
        .await
        .unwrap_or(Err(Disconnect::SlowReceiver))
}

async fn write_pieces(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::KafkaConfig;
    use crate::kafka::frame::ASK;
    use crate::store::{Memory, Store};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::Instant;

    const IDLE_MS_MAX: u64 = 100_000;

    /// One end of a connection that holds so many bytes on their way, and how the other ended.
    async fn connected(bytes: usize) -> (DuplexStream, impl Future<Output = Disconnect>) {
        let clock = Clock::system();
        let store = Store::new(Arc::new(Memory::new(clock.clone(), 1 << 20)), clock.clone());
        let config = KafkaConfig {
            connection_idle_ms_max: IDLE_MS_MAX,
            ..KafkaConfig::default()
        };
        let face = Face::open(store, config, clock).await.expect("a face");
        let (peer, socket) = duplex(bytes);
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let (stopper, stop) = watch::channel(false);
        let ended = async move {
            let (source, sink) = tokio::io::split(socket);
            let cx = face.cx(address, address, stop);
            let ended = exchange(source, sink, &face, cx).await;
            drop(stopper);
            ended.expect_err("a reason")
        };
        (peer, ended)
    }

    /// Asks once and takes the whole answer.
    async fn ask(peer: &mut DuplexStream) {
        peer.write_all(&ASK).await.expect("a connection");
        let length = peer.read_u32().await.expect("an answer");
        let mut answer = vec![0; usize::try_from(length).expect("a length")];
        peer.read_exact(&mut answer).await.expect("an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_sent_is_closed() {
        let (_peer, ended) = connected(1 << 16).await;
        let began = Instant::now();

        let reason = ended.await;

        assert!(matches!(reason, Disconnect::Idle), "{reason}");
        assert_eq!(began.elapsed().as_millis(), u128::from(IDLE_MS_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_something_is_sent_now_and_then_stays_open() {
        let (mut peer, ended) = connected(1 << 16).await;
        let began = Instant::now();
        let asking = async {
            for _ in 0..10 {
                ask(&mut peer).await;
                sleep(Duration::from_millis(IDLE_MS_MAX / 2 - 1)).await;
            }
        };

        let (reason, ()) = tokio::join!(ended, asking);

        assert!(matches!(reason, Disconnect::Idle), "{reason}");
        let open = began.elapsed().as_millis();
        assert!(open >= u128::from(IDLE_MS_MAX) * 5, "{open}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_no_bytes_is_given_up() {
        let (mut peer, ended) = connected(64).await;
        let began = Instant::now();
        peer.write_all(&ASK).await.expect("room");

        let reason = ended.await;

        assert!(matches!(reason, Disconnect::SlowReceiver), "{reason}");
        let waited = began.elapsed().as_millis();
        assert_eq!(waited, u128::from(WRITE_STALL_MS_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_few_bytes_at_a_time_is_served() {
        let (mut peer, ended) = connected(64).await;
        let slowly = async {
            peer.write_all(&ASK).await.expect("room");
            let length = peer.read_u32().await.expect("an answer");
            for _ in 0..length {
                sleep(Duration::from_millis(WRITE_STALL_MS_MAX / 100)).await;
                peer.read_u8().await.expect("the answer goes on");
            }
            drop(peer);
        };

        tokio::select! {
            reason = ended => panic!("{reason}"),
            () = slowly => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_byte_now_and_then_is_given_up() {
        let (mut sink, mut peer) = duplex(1);
        let began = Instant::now();
        let trickle = async move {
            loop {
                sleep(Duration::from_secs(50)).await;
                let _ = peer.read_u8().await;
            }
        };

        let written = tokio::select! {
            written = write(&mut sink, [Bytes::from_static(&[0; 64_000])].into()) => written,
            () = trickle => Ok(()),
        };

        assert!(
            matches!(written, Err(Disconnect::SlowReceiver)),
            "{written:?}"
        );
        assert_eq!(began.elapsed(), Duration::from_secs(61));
    }
}
