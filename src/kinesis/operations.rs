//! The table of operations. One line serves one: dispatch and `docs/compatibility.md` derive
//! from it.

use super::answer::Answer;
use super::cx::Cx;
use super::error::ApiError;
use super::input::Input;
use super::op;
use bytes::Bytes;

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
                        let input = op::$handler::Input::decode(&body)?;
                        drop(body);
                        written(&op::$handler::handle(cx, input).await?)
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
}

fn written(answer: &impl Answer) -> Result<Vec<u8>, ApiError> {
    answer
        .json()
        .map_err(|error| ApiError::internal(error.to_string()))
}
