//! A response's body: pieces of known length, each let go of once it is written.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

#[derive(Debug, Default)]
pub struct Pieces {
    left: VecDeque<Bytes>,
    bytes_len: u64,
}

impl From<VecDeque<Bytes>> for Pieces {
    fn from(mut left: VecDeque<Bytes>) -> Pieces {
        left.retain(|piece| !piece.is_empty());
        let bytes_len = left.iter().map(|piece| piece.len() as u64).sum();
        Pieces { left, bytes_len }
    }
}

macro_rules! from_one {
    ($($type:ty)*) => {
        $(impl From<$type> for Pieces {
            fn from(piece: $type) -> Pieces {
                Pieces::from(VecDeque::from([Bytes::from(piece)]))
            }
        })*
    };
}

from_one!(Bytes Vec<u8> String &'static str);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.left.pop_front();
        self.bytes_len -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes_len)
    }
}
