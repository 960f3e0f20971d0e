//! CreateStream: a new stream of so many shards (spec B.2). It is ACTIVE when this answers, so a
//! client's waiter is content at its first look.

use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::{input, structure};
use crate::kinesis::shape::{STREAM_NAME, Shape, TAGS, choice, integer, integer_from};
use crate::kinesis::stream::worded;
use crate::kinesis::tags;
use crate::store::{NewStream, Settings, StoreError};

/// Shards of an on-demand stream, and of one that is made without a number.
const SHARDS_DEFAULT: u32 = 4;
/// Open shards that all streams may have together, as the service's largest default quota.
const OPEN_SHARDS_MAX: usize = 20_000;
/// Retention of a stream made through this API; Kafka's own default is longer.
const RETENTION_MS: i64 = 86_400_000;

input! {
    /// The count comes before the name in the service's messages.
    pub struct Input = "CreateStreamInput" {
        shard_count: Option<u32> = "ShardCount", integer_from(1);
        stream_name: String = "StreamName", STREAM_NAME;
        mode: Option<Mode> = "StreamModeDetails", Shape::Structure(Mode::STRUCTURE);
        tags: Option<Vec<(String, String)>> = "Tags", TAGS;
        warm_throughput: Option<u32> = "WarmThroughputMiBps", integer_from(0);
        record_kib_max: Option<u32> = "MaxRecordSizeInKiB", integer(1024..=10_240);
        distribution: Option<String> = "RecordDistributionStrategy",
            choice(&["AUTO", "USER_PARTITION_KEY"]);
    }
}

structure! {
    pub struct Mode = "StreamModeDetails" {
        stream_mode: String = "StreamMode", choice(&["PROVISIONED", "ON_DEMAND"]);
    }
}

pub async fn handle(cx: &Cx, input: Input) -> Result<(), ApiError> {
    let is_on_demand = input
        .mode
        .as_ref()
        .is_some_and(|mode| mode.stream_mode == "ON_DEMAND");
    refuse_unserved(&input, is_on_demand)?;
    let partition_count = match (is_on_demand, input.shard_count) {
        (false, Some(count)) => count,
        (false, None) if input.mode.is_some() => {
            let message = "ShardCount is required for a stream of mode PROVISIONED.";
            return Err(ApiError::invalid_argument(message));
        }
        (true, _) | (false, None) => SHARDS_DEFAULT,
    };
    let name = input.stream_name.clone();
    if cx.store.stream(&name).is_ok() {
        let exists = StoreError::StreamExists(name.as_str().into());
        return Err(worded(cx, &name, exists));
    }
    // Before anything is laid out: a count can be two thousand million.
    refuse_beyond_quota(cx, partition_count)?;
    let settings = settings(input, is_on_demand)?;
    let new = NewStream {
        name: name.as_str().into(),
        partition_count,
        settings,
    };
    let created = cx.store.create_stream(new).await;
    created.map(drop).map_err(|error| worded(cx, &name, error))
}

/// What would be promised and not kept.
fn refuse_unserved(input: &Input, is_on_demand: bool) -> Result<(), ApiError> {
    if input.warm_throughput.is_some_and(|mibps| mibps > 0) {
        let message = "WarmThroughputMiBps needs an on-demand stream of an account with a minimum \
                       throughput billing commitment, which this server does not have.";
        return Err(ApiError::invalid_argument(message));
    }
    match input.distribution.as_deref() {
        Some(_) if !is_on_demand => Err(ApiError::invalid_argument(
            "RecordDistributionStrategy can be set for streams of mode ON_DEMAND only.",
        )),
        Some("AUTO") => Err(ApiError::invalid_argument(
            "RecordDistributionStrategy AUTO is not supported by this server.",
        )),
        _ => Ok(()),
    }
}

fn refuse_beyond_quota(cx: &Cx, more: u32) -> Result<(), ApiError> {
    let streams = cx.store.all_streams();
    let current: usize = streams.map(|stream| stream.open_shards().count()).sum();
    let more = usize::try_from(more).unwrap_or(usize::MAX);
    if current.saturating_add(more) <= OPEN_SHARDS_MAX {
        return Ok(());
    }
    Err(ApiError::limit_exceeded(format!(
        "This request would exceed the shard limit for the account {} in {}. Current shard count \
         for the account: {current}. Limit: {OPEN_SHARDS_MAX}. Number of additional shards that \
         would have resulted from this request: {more}. Refer to the AWS Service Limits page \
         (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current \
         limits and how to request higher limits.",
        cx.config.account_id, cx.config.region,
    )))
}

fn settings(input: Input, is_on_demand: bool) -> Result<Settings, ApiError> {
    let mut settings = Settings::default();
    let mut set = |name: &str, value: String| settings.0.insert(name.into(), value);
    set("retention.ms", RETENTION_MS.to_string());
    if is_on_demand {
        set("kinesis.stream.mode", "ON_DEMAND".into());
    }
    if let Some(kib) = input.record_kib_max {
        set("kinesis.max.record.kib", kib.to_string());
    }
    tags::add(
        &mut settings,
        &input.stream_name,
        input.tags.unwrap_or_default(),
    )?;
    Ok(settings)
}
