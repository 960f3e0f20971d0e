//! The table of operations. One line serves one: dispatch and `docs/compatibility.md` derive
//! from it.

use super::answer::{Body, Output};
use super::cx::Cx;
use super::error::ApiError;
use super::input::Input;
use super::op;
use super::room::{NoRoom, Room, Share};
use bytes::Bytes;
use metrics::Counter;

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
            pub async fn answer(self, cx: &Cx, body: Bytes) -> Result<Body, ApiError> {
                match self {
                    $(Operation::$name => {
                        let input = op::$handler::Input::read(body).await?;
                        op::$handler::handle(cx, input).await?.body()
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

    /// Counts one that ended in `result`.
    pub fn counter(self, result: &'static str) -> Counter {
        metrics::counter!(
            "braid_kinesis_requests_total",
            "operation" => self.name(), "result" => result,
        )
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

/// The base64 of a page's 10 MiB, the other members of 10,000 records, and a read from the log.
const PAGE_BYTES: usize = 18 << 20;
const OTHER_BYTES: usize = 64 << 10;

/// Memory for answers. Pages of records have a room of their own: those that nobody reads must
/// not keep the small answers waiting.
pub struct Answers {
    pages: Room,
    others: Room,
    /// How often each operation was done: found once, counted at every request.
    done: Vec<Counter>,
}

impl Answers {
    /// Rooms that take `bytes` together, and always one answer of each kind.
    pub fn new(bytes: usize) -> Answers {
        let others = bytes / 8;
        Answers {
            pages: Room::new((bytes - others).max(PAGE_BYTES)),
            others: Room::new(others.max(OTHER_BYTES)),
            done: Operation::ALL.iter().map(|op| op.counter("ok")).collect(),
        }
    }

    pub fn count_done(&self, operation: Operation) {
        if let Some(counter) = self.done.get(operation as usize) {
            counter.increment(1);
        }
    }
}
