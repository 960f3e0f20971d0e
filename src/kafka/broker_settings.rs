//! What the broker and its groups tell of their settings. They are set where the server is
//! started, and read-only here.

use super::api::METADATA_BYTES_MAX;
use super::cx::Cx;
use super::topic_settings::Kind;
use crate::store::Settings;
use kafka_protocol::messages::BrokerId;

/// One setting as it is told.
#[derive(Debug)]
pub struct Told {
    pub name: &'static str,
    pub kind: Kind,
    pub value: String,
}

fn told(name: &'static str, kind: Kind, value: impl ToString) -> Told {
    Told {
        name,
        kind,
        value: value.to_string(),
    }
}

/// The keys that clients and tools read.
pub fn of_broker(cx: &Cx) -> Vec<Told> {
    let mut all = of_server(cx);
    all.extend(of_coordinator(cx));
    all.extend(of_topics(cx));
    all.sort_by_key(|told| told.name);
    all
}

fn of_server(cx: &Cx) -> Vec<Told> {
    let BrokerId(id) = cx.broker.id;
    let listener = format!("PLAINTEXT://{}:{}", &*cx.endpoint.host, cx.endpoint.port);
    let config = &cx.config;
    vec![
        told("advertised.listeners", Kind::List, &listener),
        told("broker.id", Kind::Int, id),
        told(
            "connections.max.idle.ms",
            Kind::Long,
            config.connection_idle_ms_max,
        ),
        told("fetch.max.bytes", Kind::Int, config.fetch_bytes_max),
        told("listeners", Kind::List, &listener),
        told("log.dirs", Kind::List, ""),
        told("node.id", Kind::Int, id),
        told(
            "socket.request.max.bytes",
            Kind::Int,
            config.frame_bytes_max,
        ),
    ]
}

fn of_coordinator(cx: &Cx) -> Vec<Told> {
    let config = &cx.config;
    let delay_ms = config.group_initial_rebalance_delay_ms;
    vec![
        told("group.initial.rebalance.delay.ms", Kind::Int, delay_ms),
        told(
            "group.max.session.timeout.ms",
            Kind::Int,
            config.group_session_timeout_ms_max,
        ),
        told("group.max.size", Kind::Int, config.group_members_max),
        told(
            "group.min.session.timeout.ms",
            Kind::Int,
            config.group_session_timeout_ms_min,
        ),
        told("offset.metadata.max.bytes", Kind::Int, METADATA_BYTES_MAX),
        told("offsets.retention.minutes", Kind::Int, 10_080),
        told("offsets.topic.replication.factor", Kind::Int, 1),
        told("transaction.state.log.replication.factor", Kind::Int, 1),
    ]
}

fn of_topics(cx: &Cx) -> Vec<Told> {
    let topic = Settings::default();
    let retention_ms = topic.retention_ms().unwrap_or(-1);
    vec![
        told(
            "auto.create.topics.enable",
            Kind::Boolean,
            cx.config.auto_create_topics,
        ),
        told("default.replication.factor", Kind::Int, 1),
        told("delete.topic.enable", Kind::Boolean, true),
        told("log.cleanup.policy", Kind::List, "delete"),
        told("log.flush.interval.messages", Kind::Long, i64::MAX),
        told("log.message.timestamp.type", Kind::String, "CreateTime"),
        told("log.retention.bytes", Kind::Long, -1),
        told("log.retention.hours", Kind::Int, retention_ms / 3_600_000),
        told("log.retention.ms", Kind::Long, retention_ms),
        told("message.max.bytes", Kind::Int, topic.batch_bytes_max()),
        told("min.insync.replicas", Kind::Int, 1),
        told("num.partitions", Kind::Int, cx.config.num_partitions),
    ]
}

/// Kafka's defaults for the group types to come; classic groups have no settings of their own.
pub fn of_group() -> Vec<Told> {
    vec![
        told("consumer.heartbeat.interval.ms", Kind::Int, 5_000),
        told("consumer.session.timeout.ms", Kind::Int, 45_000),
        told("share.auto.offset.reset", Kind::String, "latest"),
        told("share.heartbeat.interval.ms", Kind::Int, 5_000),
        told("share.isolation.level", Kind::String, "read_uncommitted"),
        told("share.record.lock.duration.ms", Kind::Int, 30_000),
        told("share.session.timeout.ms", Kind::Int, 45_000),
        told("streams.heartbeat.interval.ms", Kind::Int, 5_000),
        told("streams.num.standby.replicas", Kind::Int, 0),
        told("streams.session.timeout.ms", Kind::Int, 45_000),
    ]
}
