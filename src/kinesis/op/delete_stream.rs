//! DeleteStream: the stream is gone when this answers, with its records and iterators (spec B.2).

use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::shape::{STREAM_ARN, STREAM_ID, STREAM_NAME, Shape};
use crate::kinesis::stream::{name_of, worded};

input! {
    pub struct Input = "DeleteStreamInput" {
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        /// There are no registered consumers yet whose deletion it could enforce.
        #[expect(dead_code, reason = "until there are consumers")]
        enforce_consumer_deletion: Option<bool> = "EnforceConsumerDeletion", Shape::Boolean;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        #[expect(dead_code, reason = "reserved by the service: taken and not looked at")]
        stream_id: Option<String> = "StreamId", STREAM_ID;
    }
}

pub async fn handle(cx: &Cx, input: Input) -> Result<(), ApiError> {
    let name = name_of(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let deleted = cx.store.delete_stream(name).await;
    deleted.map_err(|error| worded(cx, name, error))
}
