//! ListShards: shards by number, those that a filter picks, a page at a time (spec B.3).

use crate::kinesis::answer::Answer;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::{input, structure};
use crate::kinesis::shape::{
    NEXT_TOKEN, SHARD_ID, STREAM_ARN, STREAM_ID, STREAM_NAME, Shape, choice, integer,
};
use crate::kinesis::shards::{self, ShardView};
use crate::kinesis::stream;
use crate::kinesis::token::{Pick, ShardsToken};
use crate::store::{Shard, Stream, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// Shards on a page, whatever is asked (spec B.3).
const SHARDS_MAX: usize = 1000;

input! {
    /// In the order of the service's messages: by name, the newer members behind.
    pub struct Input = "ListShardsInput" {
        exclusive_start_shard_id: Option<String> = "ExclusiveStartShardId", SHARD_ID;
        max_results: Option<usize> = "MaxResults", integer(1..=10_000);
        next_token: Option<String> = "NextToken", NEXT_TOKEN;
        stream_creation: Option<Timestamp> = "StreamCreationTimestamp", Shape::Timestamp;
        stream_name: Option<String> = "StreamName", STREAM_NAME;
        filter: Option<Filter> = "ShardFilter", Shape::Structure(Filter::STRUCTURE);
        stream_arn: Option<String> = "StreamARN", STREAM_ARN;
        #[expect(dead_code, reason = "reserved by the service: taken and not looked at")]
        stream_id: Option<String> = "StreamId", STREAM_ID;
    }
}

structure! {
    pub struct Filter = "ShardFilter" {
        kind: String = "Type", choice(&[
            "AFTER_SHARD_ID",
            "AT_TRIM_HORIZON",
            "FROM_TRIM_HORIZON",
            "AT_LATEST",
            "AT_TIMESTAMP",
            "FROM_TIMESTAMP",
        ]);
        shard_id: Option<String> = "ShardId", SHARD_ID;
        timestamp: Option<Timestamp> = "Timestamp", Shape::Timestamp;
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    shards: Vec<ShardView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let limit = input
        .max_results
        .map_or(SHARDS_MAX, |limit| limit.min(SHARDS_MAX));
    let now = cx.clock.now();
    let (found, token) = match &input.next_token {
        Some(token) => go_on(cx, &input, token)?,
        None => start(cx, &input)?,
    };
    let listed = shards::unexpired(&found, now).filter(|shard| token.picks(shard));
    let page: Vec<&Shard> = listed.take(limit + 1).collect();
    let shown = &page[..page.len().min(limit)];
    let last = shown.last().filter(|_| page.len() > limit);
    Ok(Output {
        shards: shown.iter().map(|shard| ShardView::of(shard)).collect(),
        next_token: last.map(|last| token.after(last.number, now).to_string()),
    })
}

fn start(cx: &Cx, input: &Input) -> Result<(Arc<Stream>, ShardsToken), ApiError> {
    if input.stream_name.is_none() && input.stream_arn.is_none() {
        return Err(ApiError::invalid_argument(
            "Either NextToken or StreamName should be provided.",
        ));
    }
    let found = stream::named(
        cx,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    // Clients keep the time to the second or to the millisecond.
    if input
        .stream_creation
        .is_some_and(|at| at.0 / 1000 != found.created.0 / 1000)
    {
        return Err(stream::not_found(cx, &found.name));
    }
    let pick = match &input.filter {
        Some(filter) => pick(filter, &found, cx.clock.now())?,
        None => Pick::All,
    };
    let after = input.exclusive_start_shard_id.clone();
    let token = ShardsToken::new(&found, pick, after);
    Ok((found, token))
}

fn go_on(cx: &Cx, input: &Input, token: &str) -> Result<(Arc<Stream>, ShardsToken), ApiError> {
    let others = [
        (
            input.stream_name.is_some() || input.stream_arn.is_some(),
            "StreamName",
        ),
        (
            input.exclusive_start_shard_id.is_some(),
            "ExclusiveStartShardId",
        ),
        (input.stream_creation.is_some(), "StreamCreationTimestamp"),
        (input.filter.is_some(), "ShardFilter"),
    ];
    if let Some((_, other)) = others.into_iter().find(|(is_given, _)| *is_given) {
        return Err(ApiError::invalid_argument(format!(
            "NextToken and {other} cannot be provided together."
        )));
    }
    let token = ShardsToken::read(token, cx.clock.now())?;
    let found = cx.store.stream(&token.stream);
    let found = found.map_err(|error| stream::worded(cx, &token.stream, error))?;
    if found.id != token.stream_id {
        return Err(stream::not_found(cx, &token.stream));
    }
    Ok((found, token))
}

/// Times are resolved once, so that all pages show the same moment. One before the trim horizon
/// is the horizon, a later one than now is now (spec B.3).
fn pick(filter: &Filter, stream: &Stream, now: Timestamp) -> Result<Pick, ApiError> {
    let horizon = shards::horizon(stream, now);
    let lacks = |member: &str| {
        let message = format!(
            "{member} must be provided for ShardFilter type {}.",
            filter.kind
        );
        ApiError::invalid_argument(message)
    };
    let at = || {
        let at = filter.timestamp.ok_or_else(|| lacks("Timestamp"))?;
        Ok(at.max(horizon).min(now.max(horizon)))
    };
    match filter.kind.as_str() {
        "AFTER_SHARD_ID" => Ok(Pick::After(
            filter.shard_id.clone().ok_or_else(|| lacks("ShardId"))?,
        )),
        "AT_TRIM_HORIZON" => Ok(Pick::OpenAt(horizon)),
        "AT_LATEST" => Ok(Pick::Open),
        "AT_TIMESTAMP" => at().map(Pick::OpenAt),
        "FROM_TIMESTAMP" => at().map(Pick::OpenSince),
        _ => Ok(Pick::All),
    }
}
