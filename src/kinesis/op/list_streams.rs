//! ListStreams: the names of all streams in order, a page at a time (spec B.2).

use crate::kinesis::answer::{Answer, EpochSeconds};
use crate::kinesis::arn;
use crate::kinesis::cx::Cx;
use crate::kinesis::error::ApiError;
use crate::kinesis::input::input;
use crate::kinesis::shape::{NEXT_TOKEN, STREAM_NAME, integer};
use crate::kinesis::stream::{ModeDetails, STATUS, mode_details};
use crate::store::Stream;
use serde::Serialize;
use std::sync::Arc;

/// Names on a page, whatever is asked (spec B.2).
const NAMES_MAX: usize = 100;
const NAME_CHARACTERS_MAX: usize = 128;

input! {
    pub struct Input = "ListStreamsInput" {
        limit: Option<usize> = "Limit", integer(1..=10_000);
        exclusive_start_stream_name: Option<String> = "ExclusiveStartStreamName", STREAM_NAME;
        next_token: Option<String> = "NextToken", NEXT_TOKEN;
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    stream_names: Vec<String>,
    has_more_streams: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    stream_summaries: Vec<Summary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    stream_creation_timestamp: EpochSeconds,
}

impl Answer for Output {}

pub async fn handle(cx: &Cx, input: Input) -> Result<Output, ApiError> {
    let limit = input.limit.map_or(NAMES_MAX, |limit| limit.min(NAMES_MAX));
    // A page goes on behind a name, so the name is all that a token has to hold.
    let after = input.next_token.or(input.exclusive_start_stream_name);
    let mut found = streams(cx, after, limit + 1);
    let has_more_streams = found.len() > limit;
    found.truncate(limit);
    let stream_names: Vec<String> = found.iter().map(|s| s.name.to_string()).collect();
    Ok(Output {
        next_token: stream_names.last().cloned().filter(|_| has_more_streams),
        stream_names,
        has_more_streams,
        stream_summaries: found.iter().map(|stream| summary(cx, stream)).collect(),
    })
}

/// Streams behind a name. Topics with longer names than this API allows exist for Kafka only
/// (design §1).
fn streams(cx: &Cx, mut after: Option<String>, count: usize) -> Vec<Arc<Stream>> {
    let mut found = Vec::new();
    loop {
        let page = cx.store.streams(after.as_deref(), count);
        let is_last = page.len() < count;
        after = page.last().map(|stream| stream.name.to_string());
        found.extend(
            page.into_iter()
                .filter(|stream| stream.name.len() <= NAME_CHARACTERS_MAX),
        );
        if is_last || found.len() >= count {
            found.truncate(count);
            return found;
        }
    }
}

fn summary(cx: &Cx, stream: &Stream) -> Summary {
    Summary {
        stream_name: stream.name.to_string(),
        stream_arn: arn::of_stream(&cx.config, &stream.name),
        stream_status: STATUS,
        stream_mode_details: mode_details(stream),
        stream_creation_timestamp: EpochSeconds(stream.created),
    }
}
