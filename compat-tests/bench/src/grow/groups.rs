//! Over groups of one member each: joining, staying alive, committing.

use super::connections::allow_many_files;
use super::curve::{Curve, Point};
use super::ground::{Ground, Served};
use super::wire::{Connection, Topic, text};
use anyhow::{Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::net::SocketAddr;
use std::time::Instant;

const COUNTS: [usize; 5] = [1, 10, 100, 1000, 5000];
const TOPIC: &str = "read";
const PARTITIONS: i32 = 10;
const SESSION_MS: i32 = 30_000;
/// Requests of each kind that each member sends.
const ROUNDS: usize = 5;

pub fn measure(ground: &Ground) -> Result<Curve> {
    allow_many_files();
    let points = ground.points(&COUNTS).iter();
    let points = points.map(|count| ground.runtime.block_on(point(ground, *count)));
    Ok(Curve::of(points.collect::<Result<_>>()?))
}

async fn point(ground: &Ground<'_>, count: usize) -> Result<Point> {
    let served = ground.serve()?;
    let mut point = Point::at(count as f64);
    let mut other = Connection::open(served.kafka).await?;
    other.create(&[Topic::new(TOPIC, PARTITIONS)]).await?;
    let before = served.memory_mib()?;
    let began = Instant::now();
    let joining = (0..count).map(|number| tokio::spawn(Member::join(served.kafka, number)));
    let mut members = Vec::with_capacity(count);
    for joined in joining.collect::<Vec<_>>() {
        members.push(joined.await??);
    }
    point.set("all joined ms", began.elapsed().as_secs_f64() * 1e3);
    let kib = (served.memory_mib()? - before) * 1024.0;
    point.set("KiB per group", kib / count as f64);
    let requests = (count * ROUNDS) as f64;
    let heartbeats = everybody(&served, members, Asking::Heartbeat).await?;
    point.set("heartbeats/s", requests / heartbeats.seconds);
    point.set("CPU µs per heartbeat", heartbeats.cpu_s / requests * 1e6);
    let commits = everybody(&served, heartbeats.members, Asking::Commit).await?;
    point.set("commits/s", requests / commits.seconds);
    point.set("CPU µs per commit", commits.cpu_s / requests * 1e6);
    let began = Instant::now();
    let listed = other.call(&ListGroupsRequest::default(), 4).await?;
    point.set("list ms", began.elapsed().as_secs_f64() * 1e3);
    ensure!(listed.groups.len() == count, "{}", listed.groups.len());
    point.set("memory MiB", served.memory_mib()?);
    Ok(point)
}

#[derive(Clone, Copy)]
enum Asking {
    Heartbeat,
    /// Offsets of all partitions.
    Commit,
}

struct Asked {
    members: Vec<Member>,
    seconds: f64,
    cpu_s: f64,
}

/// All members ask at once, each one thing after the other.
async fn everybody(served: &Served, members: Vec<Member>, asking: Asking) -> Result<Asked> {
    let cpu_before = served.cpu_s()?;
    let began = Instant::now();
    let tasks = members.into_iter().map(|mut member| {
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                member.ask(asking).await?;
            }
            anyhow::Ok(member)
        })
    });
    let mut members = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        members.push(task.await??);
    }
    Ok(Asked {
        members,
        seconds: began.elapsed().as_secs_f64(),
        cpu_s: served.cpu_s()? - cpu_before,
    })
}

struct Member {
    connection: Connection,
    group: GroupId,
    id: StrBytes,
    generation: i32,
}

impl Member {
    async fn join(address: SocketAddr, number: usize) -> Result<Member> {
        let mut member = Member {
            connection: Connection::open(address).await?,
            group: GroupId(text(&format!("group-{number}"))),
            id: text(""),
            generation: -1,
        };
        // The first answer only tells the member its id.
        while member.generation < 0 {
            member.join_once().await?;
        }
        let share = SyncGroupRequestAssignment::default()
            .with_member_id(member.id.clone())
            .with_assignment(Bytes::from_static(&[0; 100]));
        let request = SyncGroupRequest::default()
            .with_group_id(member.group.clone())
            .with_generation_id(member.generation)
            .with_member_id(member.id.clone())
            .with_assignments(vec![share]);
        let answer = member.connection.call(&request, 4).await?;
        ensure!(answer.error_code == 0, "sync: error {}", answer.error_code);
        Ok(member)
    }

    async fn join_once(&mut self) -> Result<()> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(&[0; 40]));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(SESSION_MS)
            .with_member_id(self.id.clone())
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let answer = self.connection.call(&request, 7).await?;
        let code = answer.error_code;
        ensure!(matches!(code, 0 | 79), "join: error {code}");
        self.id = answer.member_id;
        self.generation = answer.generation_id;
        Ok(())
    }

    async fn ask(&mut self, asking: Asking) -> Result<()> {
        let code = match asking {
            Asking::Heartbeat => {
                let request = HeartbeatRequest::default()
                    .with_group_id(self.group.clone())
                    .with_generation_id(self.generation)
                    .with_member_id(self.id.clone());
                self.connection.call(&request, 3).await?.error_code
            }
            Asking::Commit => self.commit().await?,
        };
        ensure!(code == 0, "error {code}");
        Ok(())
    }

    async fn commit(&mut self) -> Result<i16> {
        let partitions = (0..PARTITIONS).map(|index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(7)
        });
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text(TOPIC)))
            .with_partitions(partitions.collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.id.clone())
            .with_topics(vec![topic]);
        let answer = self.connection.call(&request, 7).await?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let codes = partitions.map(|partition| partition.error_code);
        Ok(codes.max().unwrap_or(-1))
    }
}
