//! A stream as this face names and shows it: found by name or ARN, with its mode and retention.

use super::arn;
use super::cx::Cx;
use super::error::ApiError;
use super::shard_id;
use crate::store::{ShardNumber, StoreError, Stream};
use serde::Serialize;
use std::sync::Arc;

/// `StreamModeDetails` as answered.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ModeDetails {
    pub stream_mode: &'static str,
}

pub fn mode_details(stream: &Stream) -> ModeDetails {
    let stream_mode = match stream.settings.is_on_demand() {
        true => "ON_DEMAND",
        false => "PROVISIONED",
    };
    ModeDetails { stream_mode }
}

/// A stream is made and ended in one step, so nobody sees it in another state.
pub const STATUS: &str = "ACTIVE";
/// Nothing is encrypted.
pub const ENCRYPTION: &str = "NONE";

/// `EnhancedMonitoring` as answered.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnhancedMetrics {
    shard_level_metrics: [&'static str; 0],
}

pub const NO_METRICS: [EnhancedMetrics; 1] = [EnhancedMetrics {
    shard_level_metrics: [],
}];

const HOUR_MS: i64 = 3_600_000;
const RETENTION_HOURS_MIN: i64 = 24;
const RETENTION_HOURS_MAX: i64 = 8760;

/// Retention in the only terms this API has: whole hours, a day to a year (design §4).
pub fn retention_hours(stream: &Stream) -> i64 {
    let hours = stream
        .settings
        .retention_ms()
        .map_or(RETENTION_HOURS_MAX, |ms| ms / HOUR_MS);
    hours.clamp(RETENTION_HOURS_MIN, RETENTION_HOURS_MAX)
}

/// The stream that a request names by `StreamName`, `StreamARN` or both, which then must agree.
pub fn named(
    cx: &Cx,
    name: Option<&str>,
    stream_arn: Option<&str>,
) -> Result<Arc<Stream>, ApiError> {
    let name = name_of(cx, name, stream_arn)?;
    cx.store
        .stream(name)
        .map_err(|error| worded(cx, name, error))
}

/// The name alone, for a request about a stream that need not exist.
pub fn name_of<'a>(
    cx: &Cx,
    name: Option<&'a str>,
    stream_arn: Option<&'a str>,
) -> Result<&'a str, ApiError> {
    let by_arn = stream_arn
        .map(|arn| arn::stream_name(&cx.config, arn))
        .transpose()?;
    match (name, by_arn) {
        (Some(name), Some(by_arn)) if name != by_arn => Err(ApiError::invalid_argument(format!(
            "StreamName {name} and StreamARN {} do not name the same stream.",
            stream_arn.unwrap_or_default(),
        ))),
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(ApiError::invalid_argument(
            "Either StreamName or StreamARN should be provided.",
        )),
    }
}

/// A refusal of the store in the service's words where it has some (spec B.2, C.2).
pub fn worded(cx: &Cx, name: &str, error: StoreError) -> ApiError {
    let account = &cx.config.account_id;
    if let StoreError::UnknownStream(_) | StoreError::PartitionGone = error {
        return not_found(cx, name);
    }
    if let StoreError::StreamExists(_) = error {
        let message = format!("Stream {name} under account {account} already exists.");
        return ApiError::resource_in_use(message);
    }
    error.into()
}

/// The refusal of a shard that is not there, its stream included (spec C.5).
pub fn unknown_shard(cx: &Cx, name: &str, number: ShardNumber) -> ApiError {
    let (id, account) = (shard_id::format(number), &cx.config.account_id);
    ApiError::resource_not_found(format!(
        "Shard {id} in stream {name} under account {account} does not exist"
    ))
}

pub fn not_found(cx: &Cx, name: &str) -> ApiError {
    let account = &cx.config.account_id;
    ApiError::resource_not_found(format!("Stream {name} under account {account} not found."))
}
