//! One member of a consumer group, request by request.

use crate::{Kafka, TestServer};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

/// A group's name on the wire.
pub fn group_id(name: &str) -> GroupId {
    GroupId(text(name))
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A member with its own connection; it knows its id and generation once it has joined.
pub struct Member {
    pub client: Kafka,
    pub group: String,
    pub id: String,
    pub instance: Option<String>,
    pub generation: i32,
    /// What it says of itself.
    pub metadata: &'static str,
    pub session_ms: i32,
}

impl Member {
    pub async fn of(server: &TestServer, group: &str) -> Member {
        Member {
            client: server.kafka().await,
            group: group.into(),
            id: String::new(),
            instance: None,
            generation: -1,
            metadata: "topics",
            session_ms: 10_000,
        }
    }

    pub async fn with_instance(server: &TestServer, group: &str, instance: &str) -> Member {
        Member {
            instance: Some(instance.into()),
            ..Member::of(server, group).await
        }
    }

    pub fn join_request(&self) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(self.metadata.as_bytes()));
        JoinGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_session_timeout_ms(self.session_ms)
            .with_rebalance_timeout_ms(10_000)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    }

    /// Joins as a client of today does, told its id first if need be.
    pub async fn join(&mut self) -> JoinGroupResponse {
        let answer = self.join_once(9).await;
        if answer.error_code == 79 {
            return self.join_once(9).await;
        }
        answer
    }

    /// One request; keeps id and generation if there are any.
    pub async fn join_once(&mut self, version: i16) -> JoinGroupResponse {
        let request = self.join_request();
        let request = match version {
            0 => request.with_rebalance_timeout_ms(-1),
            _ => request,
        };
        let answer = self.client.call(&request, version).await;
        if matches!(answer.error_code, 0 | 79) {
            self.id = answer.member_id.to_string();
            self.generation = answer.generation_id;
        }
        answer
    }

    pub fn sync_request(&self, version: i16, shares: &[(&str, &str)]) -> SyncGroupRequest {
        let share = |(member, assignment): &(&str, &str)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(Bytes::copy_from_slice(assignment.as_bytes()))
        };
        SyncGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_protocol_type(Some(text("consumer")).filter(|_| version >= 5))
            .with_protocol_name(Some(text("range")).filter(|_| version >= 5))
            .with_assignments(shares.iter().map(share).collect())
    }

    pub async fn sync(&mut self, shares: &[(&str, &str)]) -> SyncGroupResponse {
        let request = self.sync_request(5, shares);
        self.client.call(&request, 5).await
    }

    /// Joins and syncs as the leader of a group that has no other member.
    pub async fn settle_alone(&mut self) {
        assert_eq!(self.join().await.error_code, 0);
        let id = self.id.clone();
        assert_eq!(self.sync(&[(&id, "all")]).await.error_code, 0);
    }

    pub async fn heartbeat(&mut self) -> i16 {
        let request = self.heartbeat_request();
        let answer: HeartbeatResponse = self.client.call(&request, 4).await;
        answer.error_code
    }

    pub fn heartbeat_request(&self) -> HeartbeatRequest {
        HeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
    }

    /// Leaves as a client before version 3 does.
    pub async fn leave(&mut self) -> i16 {
        let request = LeaveGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_member_id(text(&self.id));
        self.client.call(&request, 2).await.error_code
    }
}
