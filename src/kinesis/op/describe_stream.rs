//! DescribeStream: a stream and a page of its shards (spec B.2).

use crate::kinesis::answer::{Answer, EpochSeconds};
use crate::kinesis::arn;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::shape::{SHARD_ID, STREAM_ARN, STREAM_ID, STREAM_NAME, integer};
use crate::kinesis::shards::{self, ShardView};
use crate::kinesis::stream::{self, EnhancedMetrics, ModeDetails, NO_METRICS, mode_details};
use serde::Serialize;

/// Shards on a page, whatever is asked (spec B.2).
const SHARDS_MAX: usize = 100;

input! {
    /// The limit comes first in the service's messages, and the name after the shard.
    pub struct Input = "DescribeStreamInput" {
        limit: Option<usize> = "Limit", integer(1..=10_000);
        exclusive_start_shard_id: Option<String> = "ExclusiveStartShardId", SHARD_ID;
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        #[expect(dead_code, reason = "reserved by the service: taken and not looked at")]
        stream_id: Option<String> = "StreamId", STREAM_ID;
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    stream_description: Description,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    shards: Vec<ShardView>,
    has_more_shards: bool,
    retention_period_hours: i64,
    stream_creation_timestamp: EpochSeconds,
    enhanced_monitoring: [EnhancedMetrics; 1],
    encryption_type: &'static str,
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let found = stream::named(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let limit = input
        .limit
        .map_or(SHARDS_MAX, |limit| limit.min(SHARDS_MAX));
    let after = input.exclusive_start_shard_id.as_deref();
    let listed = shards::unexpired(&found, cx.clock.now());
    let mut listed = listed.filter(|shard| after.is_none_or(|id| shards::is_after(shard, id)));
    let shards = listed.by_ref().take(limit).map(ShardView::of).collect();
    Ok(Output {
        stream_description: Description {
            stream_name: found.name.to_string(),
            stream_arn: arn::of_stream(&cx.config, &found.name),
            stream_status: stream::STATUS,
            stream_mode_details: mode_details(&found),
            shards,
            has_more_shards: listed.next().is_some(),
            retention_period_hours: stream::retention_hours(&found),
            stream_creation_timestamp: EpochSeconds(found.created),
            enhanced_monitoring: NO_METRICS,
            encryption_type: stream::ENCRYPTION,
        },
    })
}
