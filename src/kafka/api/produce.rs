//! Produce (0): appends one batch to each partition named; answers once they are durable.
//!
//! v3 batches of magic 2 and transactional ids, v5 log start offset, v7 zstd, v8 errors with
//! their records, v10 the leader to turn to, v13 topics by id. Versions 0–2 are listed, because
//! older librdkafka compresses only for a broker that lists them (KAFKA-18659), and not served.

mod check;
mod request;

use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::{Answer, Reply, Respond};
use crate::kafka::topic::{self, TopicRef};
use crate::kafka::wire::{self, ResponseHead};
use crate::store::{AppendTimes, NewBatch, Placed, StoreError, Stream};
use check::Refused;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::protocol::StrBytes;
pub use request::berth;
use request::{ProducePartition, ProduceRequest, ProduceTopic};
use std::sync::Arc;

pub async fn handle(cx: &Cx, request: ProduceRequest, version: i16) -> Reply<Produced> {
    let acknowledged = request.acks != 0;
    let refused = refuse_whole(&request);
    let mut batches = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let judged = match &refused {
            Some(error) => refuse_topic(topic, error),
            None => judge_topic(cx, topic, version, &mut batches).await,
        };
        topics.push(judged);
    }
    let bytes = batches.iter().map(|new| new.batch.bytes().len()).sum();
    let admitted = cx.store.admit(bytes).await;
    let count = batches.len();
    // Their places are taken here, all at once; the rest is waiting for the disk.
    let appended = admitted.map(|()| cx.store.append(batches, cx.caller));
    Reply::later(async move {
        let outcomes = match appended {
            Ok(appended) => appended.await,
            Err(error) => vec![Err(error); count],
        };
        answer(topics, outcomes, version, acknowledged)
    })
}

/// What goes back, if anything does.
pub enum Produced {
    Told(ProduceResponse),
    /// acks=0, and all went well.
    Silent,
    /// acks=0, and something failed: the end of the connection is the only way to tell.
    Failed,
}

impl Respond for Produced {
    fn respond(self, head: ResponseHead) -> Answer {
        match self {
            Produced::Told(response) => response.respond(head),
            Produced::Silent => Answer::Silence,
            Produced::Failed => Answer::Close,
        }
    }
}

/// A topic whose partitions are judged: refused, or on their way into the log.
struct Judged {
    topic: TopicRef,
    partitions: Vec<(i32, Verdict)>,
}

enum Verdict {
    /// The next of the batches that were handed to the store.
    Appended(AppendTimes),
    Refused(Refused),
}

/// What refuses every partition alike.
fn refuse_whole(request: &ProduceRequest) -> Option<ApiError> {
    let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let transactional = request.transactional_id.is_some()
        || partitions.any(|partition| check::is_transactional(partition.records.as_ref()));
    if transactional {
        let text = "Transactions are not supported";
        let code = Code::TransactionalIdAuthorizationFailed;
        return Some(ApiError::new(code, text));
    }
    (!matches!(request.acks, -1..=1)).then(|| Code::InvalidRequiredAcks.into())
}

fn refuse_topic(topic: ProduceTopic, error: &ApiError) -> Judged {
    let refused =
        |partition: ProducePartition| (partition.index, Verdict::Refused(error.clone().into()));
    Judged {
        topic: topic.topic,
        partitions: topic.partitions.into_iter().map(refused).collect(),
    }
}

async fn judge_topic(
    cx: &Cx,
    topic: ProduceTopic,
    version: i16,
    batches: &mut Vec<NewBatch>,
) -> Judged {
    let stream = topic.topic.find(cx);
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in topic.partitions {
        let index = partition.index;
        let verdict = match judge(cx, &stream, partition, version).await {
            Ok(new) => {
                let times = new.times;
                batches.push(new);
                Verdict::Appended(times)
            }
            Err(refused) => Verdict::Refused(refused),
        };
        partitions.push((index, verdict));
    }
    Judged {
        topic: topic.topic,
        partitions,
    }
}

async fn judge(
    cx: &Cx,
    stream: &Result<Arc<Stream>, ApiError>,
    sent: ProducePartition,
    version: i16,
) -> Result<NewBatch, Refused> {
    let stream = stream.as_ref().map_err(ApiError::clone)?;
    let partition = topic::partition(cx, stream, sent.index)?;
    if topic::is_internal(&stream.name) {
        return Err(Code::InvalidTopicException.into());
    }
    let settings = &stream.settings;
    let batch = check::check(cx, sent, settings, version).await?;
    let times = match settings.is_log_append_time() {
        true => AppendTimes::Appended,
        false => AppendTimes::Kept,
    };
    Ok(NewBatch {
        partition: partition.id(),
        batch,
        times,
    })
}

fn answer(
    topics: Vec<Judged>,
    outcomes: Vec<Result<Placed, StoreError>>,
    version: i16,
    acknowledged: bool,
) -> Produced {
    let mut outcomes = outcomes.into_iter();
    let topics: Vec<TopicProduceResponse> = topics
        .into_iter()
        .map(|judged| topic_answer(judged, &mut outcomes, version))
        .collect();
    if acknowledged {
        return Produced::Told(ProduceResponse::default().with_responses(topics));
    }
    let mut answers = topics.iter().flat_map(|topic| &topic.partition_responses);
    match answers.any(|partition| partition.error_code != NONE) {
        true => Produced::Failed,
        false => Produced::Silent,
    }
}

fn topic_answer(
    judged: Judged,
    outcomes: &mut impl Iterator<Item = Result<Placed, StoreError>>,
    version: i16,
) -> TopicProduceResponse {
    let partitions = judged.partitions.into_iter();
    let partitions = partitions.map(|(index, verdict)| {
        let answer = match verdict {
            Verdict::Refused(refused) => refusal(refused, version),
            Verdict::Appended(times) => match outcomes.next() {
                Some(Ok(placed)) => placement(placed, times),
                Some(Err(error)) => refusal(error.into(), version),
                None => refusal(Code::UnknownServerError.into(), version),
            },
        };
        answer.with_index(index)
    });
    let answer = TopicProduceResponse::default().with_partition_responses(partitions.collect());
    match judged.topic {
        TopicRef::Name(name) => answer.with_name(name),
        TopicRef::Id(id) => answer.with_topic_id(id),
    }
}

fn placement(placed: Placed, times: AppendTimes) -> PartitionProduceResponse {
    let log_append_time = match times {
        AppendTimes::Appended => placed.arrival.0,
        AppendTimes::Kept | AppendTimes::Created => -1,
    };
    PartitionProduceResponse::default()
        .with_error_code(NONE)
        .with_base_offset(wire::stated(placed.base))
        .with_log_append_time_ms(log_append_time)
        .with_log_start_offset(wire::stated(placed.log_start))
}

fn refusal(refused: Refused, version: i16) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default()
        .with_error_code(refused.error.code())
        .with_base_offset(-1);
    if version < 8 {
        return answer;
    }
    let records = refused.records.iter().map(|record| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(i32::try_from(record.index).unwrap_or(i32::MAX))
            .with_batch_index_error_message(Some(StrBytes::from_static_str(record.message)))
    });
    answer
        .with_record_errors(records.collect())
        .with_error_message(Some(refused.error.message))
}
