//! DescribeStreamSummary: a stream without its shards (spec B.2).

use crate::kinesis::answer::{Answer, EpochSeconds};
use crate::kinesis::arn;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::shape::{STREAM_ARN, STREAM_ID, STREAM_NAME};
use crate::kinesis::stream::{self, EnhancedMetrics, ModeDetails, NO_METRICS, mode_details};
use serde::Serialize;

input! {
    pub struct Input = "DescribeStreamSummaryInput" {
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        #[expect(dead_code, reason = "reserved by the service: taken and not looked at")]
        stream_id: Option<String> = "StreamId", STREAM_ID;
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    stream_description_summary: Summary,
}

/// Consumers, channels and queues do not exist yet, so there are none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    retention_period_hours: i64,
    stream_creation_timestamp: EpochSeconds,
    enhanced_monitoring: [EnhancedMetrics; 1],
    encryption_type: &'static str,
    open_shard_count: usize,
    consumer_count: u32,
    #[serde(rename = "MaxRecordSizeInKiB")]
    record_kib_max: u32,
    channel_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_distribution_strategy: Option<&'static str>,
    queue_count: u32,
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let found = stream::named(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let is_on_demand = found.settings.is_on_demand();
    Ok(Output {
        stream_description_summary: Summary {
            stream_name: found.name.to_string(),
            stream_arn: arn::of_stream(&cx.config, &found.name),
            stream_status: stream::STATUS,
            stream_mode_details: mode_details(&found),
            retention_period_hours: stream::retention_hours(&found),
            stream_creation_timestamp: EpochSeconds(found.created),
            enhanced_monitoring: NO_METRICS,
            encryption_type: stream::ENCRYPTION,
            open_shard_count: found.open_shards().count(),
            consumer_count: 0,
            record_kib_max: found.settings.record_kib_max(),
            channel_count: 0,
            record_distribution_strategy: is_on_demand.then_some("USER_PARTITION_KEY"),
            queue_count: 0,
        },
    })
}
