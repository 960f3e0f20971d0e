//! Frames off a byte stream: a length, the head of a request, and the rest within its bounds.

use super::api::produce;
use super::apis;
use super::body::Body;
use super::budget::Budget;
use super::error::Disconnect;
use super::wire::{HEAD_BYTES, LENGTH_BYTES, RequestHead};
use crate::store::Incoming;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use kafka_protocol::messages::ApiKey;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// What a connection reads ahead, and all that an idle one holds.
const READ_AHEAD_BYTES: usize = 4096;
/// Largest frame of the APIs whose requests may name every topic or partition.
const LISTING_FRAME_BYTES_MAX: usize = 8 << 20;
/// Largest frame of everything else but Produce.
const SMALL_FRAME_BYTES_MAX: usize = 1 << 20;
/// Time that a frame may take whatever its size.
const FRAME_MS: u64 = 15_000;
/// Rate at which the rest of a large frame has to come in.
const FRAME_BYTES_PER_MS: u64 = 256;

/// ApiVersions of version 0 from a client without a name.
#[cfg(test)]
pub const ASK: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// A request as it arrived.
#[derive(Debug)]
pub struct Frame {
    pub head: RequestHead,
    /// Everything behind the head.
    pub body: Body,
    /// Whether nothing of it had arrived when it was asked for.
    pub is_awaited: bool,
    /// The frame's room in the budget; small frames need none.
    pub held: Option<OwnedSemaphorePermit>,
}

impl Frame {
    /// What it took on the wire.
    pub fn bytes(&self) -> usize {
        LENGTH_BYTES + HEAD_BYTES + self.body.len()
    }
}

/// What there is of a body before room for it is asked for.
enum Front {
    Whole(Body),
    Part { length: usize },
}

/// The reading side of one connection.
pub struct Frames<R> {
    source: R,
    ahead: BytesMut,
    budget: Arc<Budget>,
    produce_bytes_max: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub fn new(source: R, budget: Arc<Budget>, produce_bytes_max: usize) -> Frames<R> {
        Frames {
            source,
            ahead: BytesMut::with_capacity(READ_AHEAD_BYTES),
            budget,
            produce_bytes_max,
        }
    }

    /// The next frame; `None` when the peer has closed between two of them.
    pub async fn next(&mut self) -> Result<Option<Frame>, Disconnect> {
        let Some(is_awaited) = self.first().await? else {
            return Ok(None);
        };
        // The first byte is here: from now on the sender is timed.
        let (head, front) = in_time(FRAME_MS, self.front()).await?;
        let (body, held) = match front {
            Front::Whole(body) => (body, None),
            Front::Part { length } => {
                // Room for the whole is taken only for a sender that has sent something.
                let held = self.budget.frame(length).await;
                let extra = u64::try_from(length).unwrap_or(u64::MAX) / FRAME_BYTES_PER_MS;
                let body = in_time(FRAME_MS + extra, self.large(&head, length)).await?;
                (body, Some(held))
            }
        };
        Ok(Some(Frame {
            head,
            body,
            is_awaited,
            held,
        }))
    }

    /// Has some bytes of the next frame: whether they had to be waited for. `None` at the end of
    /// the stream.
    async fn first(&mut self) -> Result<Option<bool>, Disconnect> {
        if !self.ahead.is_empty() {
            return Ok(Some(false));
        }
        let at_hand = self.fill().now_or_never();
        let is_awaited = at_hand.is_none();
        let is_filled = match at_hand {
            Some(filled) => filled?,
            None => self.fill().await?,
        };
        Ok(is_filled.then_some(is_awaited))
    }

    /// The head, with the whole body or as much of it as is read ahead.
    async fn front(&mut self) -> Result<(RequestHead, Front), Disconnect> {
        let (head, length) = self.head().await?;
        if length <= READ_AHEAD_BYTES {
            let body = self.small(length).await?;
            return Ok((head, Front::Whole(body)));
        }
        while self.ahead.len() < READ_AHEAD_BYTES {
            self.fill_more().await?;
        }
        Ok((head, Front::Part { length }))
    }

    /// Length and head, judged before anything is reserved. The length is of what follows.
    async fn head(&mut self) -> Result<(RequestHead, usize), Disconnect> {
        while self.ahead.len() < LENGTH_BYTES + HEAD_BYTES {
            self.fill_more().await?;
        }
        let stated = self.ahead.get_i32();
        let bytes = usize::try_from(stated).map_err(|_| Disconnect::FrameTooShort(stated))?;
        let length = bytes
            .checked_sub(HEAD_BYTES)
            .ok_or(Disconnect::FrameTooShort(stated))?;
        let mut head = [0; HEAD_BYTES];
        self.ahead.copy_to_slice(&mut head);
        let head = RequestHead::parse(head)?;
        apis::gate(&head)?;
        let bytes_max = self.frame_bytes_max(head.key);
        if bytes > bytes_max {
            return Err(Disconnect::FrameTooLarge { bytes, bytes_max });
        }
        Ok((head, length))
    }

    fn frame_bytes_max(&self, key: ApiKey) -> usize {
        match key {
            ApiKey::Produce => self.produce_bytes_max,
            ApiKey::Fetch
            | ApiKey::ListOffsets
            | ApiKey::Metadata
            | ApiKey::OffsetCommit
            | ApiKey::OffsetFetch => LISTING_FRAME_BYTES_MAX,
            _ => SMALL_FRAME_BYTES_MAX,
        }
    }

    /// A frame that is read ahead whole is copied, so that it pins no more than itself.
    async fn small(&mut self, length: usize) -> Result<Body, Disconnect> {
        while self.ahead.len() < length {
            self.fill_more().await?;
        }
        let body = Bytes::copy_from_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        Ok(body.into())
    }

    async fn large(&mut self, head: &RequestHead, length: usize) -> Result<Body, Disconnect> {
        let berth = match head.key {
            ApiKey::Produce => produce::berth(head, length, &self.ahead),
            _ => None,
        };
        let mut memory = match berth {
            Some((before, berth)) => berth.memory(before, length),
            None => Incoming::Heap(BytesMut::with_capacity(length)),
        };
        let at = memory.len();
        memory.put(&self.ahead);
        self.ahead.clear();
        while memory.len() < at + length {
            let missing = at + length - memory.len();
            let read = match &mut memory {
                Incoming::Heap(memory) => self.source.read_buf(&mut memory.limit(missing)).await?,
                Incoming::Slot { slot, filled } => {
                    let read = self.source.read(&mut slot[*filled..][..missing]).await?;
                    *filled += read;
                    read
                }
            };
            if read == 0 {
                return Err(cut_short());
            }
        }
        Ok(Body::new(memory.land(), at, berth.map(|(_, berth)| berth)))
    }

    async fn fill_more(&mut self) -> Result<(), Disconnect> {
        match self.fill().await? {
            true => Ok(()),
            false => Err(cut_short()),
        }
    }

    /// Reads what there is, up to what is read ahead; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, Disconnect> {
        let room = READ_AHEAD_BYTES - self.ahead.len();
        // Reclaims what was consumed in front: nobody else holds this buffer.
        self.ahead.reserve(room);
        let mut ahead = (&mut self.ahead).limit(room);
        Ok(self.source.read_buf(&mut ahead).await? > 0)
    }
}

async fn in_time<T>(
    ms_max: u64,
    reading: impl Future<Output = Result<T, Disconnect>>,
) -> Result<T, Disconnect> {
    timeout(Duration::from_millis(ms_max), reading)
        .await
        .unwrap_or(Err(Disconnect::SlowSender))
}

fn cut_short() -> Disconnect {
    Disconnect::Io(std::io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    /// More than the pool for frames holds: whoever has it has all of it.
    const WHOLE_POOL: usize = usize::MAX;
    const BODY_BYTES: usize = 1 << 20;

    /// The front of a Produce request with a body of [`BODY_BYTES`].
    fn front() -> Vec<u8> {
        let length = u32::try_from(HEAD_BYTES + BODY_BYTES).expect("a length");
        let head = [0, 0, 0, 9, 0, 0, 0, 1];
        [&length.to_be_bytes()[..], &head[..]].concat()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_slow_with_a_large_frame_is_given_up_and_its_room_given_back() {
        let budget = Arc::new(Budget::new(64 << 20));
        let (mut peer, source) = tokio::io::duplex(64 << 10);
        let mut frames = Frames::new(source, budget.clone(), 100 << 20);
        peer.write_all(&front()).await.expect("room");
        peer.write_all(&[0; READ_AHEAD_BYTES]).await.expect("room");
        let began = Instant::now();
        let mut next = Box::pin(frames.next());

        assert!(next.as_mut().now_or_never().is_none());
        assert!(budget.frame(WHOLE_POOL).now_or_never().is_none());
        let slow = next.await;

        assert!(matches!(slow, Err(Disconnect::SlowSender)), "{slow:?}");
        // 15 s, and 4 s for the mebibyte.
        assert_eq!(began.elapsed().as_secs(), 19);
        assert!(budget.frame(WHOLE_POOL).now_or_never().is_some());
    }

    #[tokio::test]
    async fn it_is_told_whether_a_frame_had_to_be_waited_for() {
        let budget = Arc::new(Budget::new(64 << 20));
        let (mut peer, source) = tokio::io::duplex(64 << 10);
        let mut frames = Frames::new(source, budget, 100 << 20);
        peer.write_all(&[ASK, ASK].concat()).await.expect("room");
        let mut awaited = Vec::new();
        for _ in 0..2 {
            awaited.push(frames.next().await.expect("a frame").expect("a frame"));
        }
        let (third, sent) = tokio::join!(frames.next(), peer.write_all(&ASK));
        sent.expect("room");
        awaited.push(third.expect("a frame").expect("a frame"));

        let awaited: Vec<bool> = awaited.iter().map(|frame| frame.is_awaited).collect();

        assert_eq!(awaited, [false, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_keeps_up_may_take_its_time() {
        let budget = Arc::new(Budget::new(64 << 20));
        let (mut peer, source) = tokio::io::duplex(64 << 10);
        let mut frames = Frames::new(source, budget.clone(), 100 << 20);
        let sending = async {
            peer.write_all(&front()).await.expect("room");
            for _ in 0..16 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let part = [0; BODY_BYTES / 16];
                peer.write_all(&part).await.expect("room");
            }
        };

        let (frame, ()) = tokio::join!(frames.next(), sending);

        let frame = frame.expect("a frame").expect("a frame");
        assert_eq!(frame.body.len(), BODY_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_begins_a_frame_has_to_go_on_and_takes_no_room_until_then() {
        let budget = Arc::new(Budget::new(64 << 20));
        let (mut peer, source) = tokio::io::duplex(64 << 10);
        let mut frames = Frames::new(source, budget.clone(), 100 << 20);
        peer.write_all(&front()).await.expect("room");
        let began = Instant::now();
        let mut next = Box::pin(frames.next());

        assert!(next.as_mut().now_or_never().is_none());
        assert!(budget.frame(WHOLE_POOL).now_or_never().is_some());
        let slow = next.await;

        assert!(matches!(slow, Err(Disconnect::SlowSender)), "{slow:?}");
        assert_eq!(began.elapsed().as_secs(), 15);
    }
}
