//! The table of operations. One line serves one: dispatch and `docs/compatibility.md` derive
//! from it.

use super::answer::Answer;
use super::cx::Cx;
use super::error::ApiError;
use super::input::Input;
use super::op;
use super::room::{NoRoom, Room, Share};
use bytes::Bytes;

/// Bytes of a body or an answer that are worked on without leaving the runtime's thread: about a
/// millisecond.
const INLINE_BYTES_MAX: usize = 512 << 10;

macro_rules! operations {
    ($($name:ident => $handler:ident,)*) => {
        /// An operation that is served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            pub const ALL: &[Operation] = &[$(Operation::$name,)*];

            /// The name behind the dot of `X-Amz-Target`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Operation::$name => stringify!($name),)*
                }
            }

            /// Reads the request, does it, and writes the answer.
            pub async fn answer(self, cx: &Cx, body: Bytes) -> Result<Vec<u8>, ApiError> {
                match self {
                    $(Operation::$name => {
                        let input = decoded::<op::$handler::Input>(body).await?;
                        written(op::$handler::handle(cx, input).await?).await
                    })*
                }
            }
        }
    };
}

operations! {
    // Operation          Handler
    CreateStream          => create_stream,
    DeleteStream          => delete_stream,
    DescribeStream        => describe_stream,
    DescribeStreamSummary => describe_stream_summary,
    GetRecords            => get_records,
    GetShardIterator      => get_shard_iterator,
    ListShards            => list_shards,
    ListStreams           => list_streams,
    PutRecord             => put_record,
    PutRecords            => put_records,
}

impl Operation {
    pub fn named(name: &str) -> Option<Operation> {
        Operation::ALL
            .iter()
            .copied()
            .find(|operation| operation.name() == name)
    }

    /// A share of the memory for answers, set aside before this one is made. What the answer does
    /// not need is given back once it is made.
    pub async fn share(self, answers: &Answers) -> Result<Share, NoRoom> {
        let (room, bytes) = match self {
            Operation::GetRecords => (&answers.pages, PAGE_BYTES),
            _ => (&answers.others, OTHER_BYTES),
        };
        let mut share = room.share();
        share.grow_to(bytes).await?;
        Ok(share)
    }
}

/// A page of 10 MiB and its base64.
const PAGE_BYTES: usize = 24 << 20;
const OTHER_BYTES: usize = 64 << 10;

/// Memory for answers. Pages of records have a room of their own: those that nobody reads must
/// not keep the small answers waiting.
pub struct Answers {
    pages: Room,
    others: Room,
}

impl Answers {
    /// Rooms that take `bytes` together, and always one answer of each kind.
    pub fn new(bytes: usize) -> Answers {
        let others = bytes / 8;
        Answers {
            pages: Room::new((bytes - others).max(PAGE_BYTES)),
            others: Room::new(others.max(OTHER_BYTES)),
        }
    }
}

async fn decoded<I: Input + Send + 'static>(body: Bytes) -> Result<I, ApiError> {
    work(body.len(), move || I::decode(&body)).await
}

async fn written(answer: impl Answer + Send + 'static) -> Result<Vec<u8>, ApiError> {
    let bytes = answer.bytes_len_guess();
    let write = move || {
        answer
            .json()
            .map_err(|error| ApiError::internal(error.to_string()))
    };
    work(bytes, write).await
}

/// Does work on so many bytes: what is long must not hold up the requests of others.
async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if bytes <= INLINE_BYTES_MAX {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(ApiError::internal("a request was not finished")))
}
