//! DeleteTopics (20): ends topics with their records and every offset committed in them.
//!
//! v5 error messages, v6 topics by name or by id.

use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::text::text;
use crate::store::{Stream, StreamId};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

pub async fn handle(
    cx: &Cx,
    request: DeleteTopicsRequest,
    version: i16,
) -> Reply<DeleteTopicsResponse> {
    let asked = match version {
        6.. => request.topics,
        _ => request.topic_names.into_iter().map(named).collect(),
    };
    let mut counts: HashMap<(Option<TopicName>, Uuid), usize> = HashMap::new();
    for topic in &asked {
        *counts
            .entry((topic.name.clone(), topic.topic_id))
            .or_default() += 1;
    }
    let mut judged = Vec::with_capacity(counts.len());
    for topic in asked {
        let Some(count) = counts.remove(&(topic.name.clone(), topic.topic_id)) else {
            continue;
        };
        let found = match count {
            1 => find(cx, &topic),
            _ => Err(invalid("Duplicate topic name or id.")),
        };
        judged.push((topic, found));
    }
    let streams = judged.iter().filter_map(|(_, found)| found.as_ref().ok());
    let streams: Vec<_> = streams.cloned().collect();
    // The topics that were meant, even if others have taken their names since.
    let mut deleted = cx.store.delete_streams(&streams).await.into_iter();
    let responses = judged.into_iter().map(|(topic, found)| {
        let outcome = match &found {
            Ok(_) => deleted.next().unwrap_or(Ok(())).map_err(ApiError::from),
            Err(error) => Err(error.clone()),
        };
        result(completed(topic, found.ok().as_deref()), outcome, version)
    });
    Reply::Now(DeleteTopicsResponse::default().with_responses(responses.collect()))
}

fn named(name: TopicName) -> DeleteTopicState {
    DeleteTopicState::default().with_name(Some(name))
}

fn invalid(text: &str) -> ApiError {
    ApiError::new(Code::InvalidRequest, text)
}

fn find(cx: &Cx, topic: &DeleteTopicState) -> Result<Arc<Stream>, ApiError> {
    match (&topic.name, topic.topic_id) {
        (Some(_), id) if !id.is_nil() => {
            Err(invalid("You may not specify both topic name and id."))
        }
        (None, id) if id.is_nil() => Err(invalid("Neither topic name nor id were specified.")),
        (Some(name), _) => cx.store.stream(name).map_err(ApiError::from),
        (None, id) => {
            let found = cx.store.stream_by_id(StreamId(id));
            found.ok_or_else(|| Code::UnknownTopicId.into())
        }
    }
}

/// Name and id, of which the client gave one.
fn completed(topic: DeleteTopicState, stream: Option<&Stream>) -> DeleteTopicState {
    match stream {
        Some(stream) => topic
            .with_name(Some(TopicName(text(&stream.name))))
            .with_topic_id(stream.id.0),
        None => topic,
    }
}

fn result(
    topic: DeleteTopicState,
    deleted: Result<(), ApiError>,
    version: i16,
) -> DeletableTopicResult {
    let error = deleted.err();
    let code = error.as_ref().map_or(NONE, ApiError::code);
    let message = error.map(|error| error.message);
    DeletableTopicResult::default()
        // Null is legal from v6 on only.
        .with_name(
            topic
                .name
                .or_else(|| (version < 6).then(TopicName::default)),
        )
        .with_topic_id(topic.topic_id)
        .with_error_code(code)
        .with_error_message(message.filter(|_| version >= 5))
}
