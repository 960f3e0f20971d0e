//! DeleteTopics (20): ends topics with their records and every offset committed in them.
//!
//! v5 error messages, v6 topics by name or by id.

use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::store::StreamId;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use std::collections::HashMap;
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
    let mut responses = Vec::with_capacity(counts.len());
    for topic in asked {
        let Some(count) = counts.remove(&(topic.name.clone(), topic.topic_id)) else {
            continue;
        };
        let (topic, deleted) = match count {
            1 => delete(cx, topic).await,
            _ => (topic, Err(invalid("Duplicate topic name or id."))),
        };
        responses.push(result(topic, deleted, version));
    }
    Reply::Now(DeleteTopicsResponse::default().with_responses(responses))
}

fn named(name: TopicName) -> DeleteTopicState {
    DeleteTopicState::default().with_name(Some(name))
}

fn invalid(text: &str) -> ApiError {
    ApiError::new(Code::InvalidRequest, text)
}

/// Deletes, and completes name and id by each other.
async fn delete(cx: &Cx, topic: DeleteTopicState) -> (DeleteTopicState, Result<(), ApiError>) {
    let stream = match (&topic.name, topic.topic_id) {
        (Some(_), id) if !id.is_nil() => {
            Err(invalid("You may not specify both topic name and id."))
        }
        (None, id) if id.is_nil() => Err(invalid("Neither topic name nor id were specified.")),
        (Some(name), _) => cx.store.stream(name).map_err(ApiError::from),
        (None, id) => {
            let found = cx.store.stream_by_id(StreamId(id));
            found.ok_or_else(|| Code::UnknownTopicId.into())
        }
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return (topic, Err(error)),
    };
    let topic = topic
        .with_name(Some(TopicName(crate::kafka::text::text(&stream.name))))
        .with_topic_id(stream.id.0);
    // The topic that was meant, even if another has taken its name since.
    let deleted = cx.store.delete_this_stream(&stream).await;
    (topic, deleted.map_err(ApiError::from))
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
