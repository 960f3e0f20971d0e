//! SyncGroup (14): brings the leader's assignment and fetches one's own; parked until the
//! assignment is stored.
//!
//! v3 static members, v5 protocol type and name, which must then be given.

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::group::{Refusal, Sync, Synced};
use crate::kafka::reply::Reply;
use crate::kafka::text::{name, text};
use crate::store::Name;
use bytes::Bytes;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

pub async fn handle(cx: &Cx, request: SyncGroupRequest, version: i16) -> Reply<SyncGroupResponse> {
    if request.group_id.is_empty() {
        return Reply::Now(refused(&Refusal::EmptyGroupName));
    }
    if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return Reply::Now(refused(&Refusal::InconsistentProtocol));
    }
    let parked = cx.groups.sync(&name(&request.group_id), sync(&request));
    let stopping = cx.stopping();
    Reply::parked(async move {
        match parked.answered_unless(stopping).await {
            Ok(share) => synced(share, version),
            Err(refusal) => refused(&refusal),
        }
    })
}

fn sync(request: &SyncGroupRequest) -> Sync {
    let shares = request.assignments.iter();
    let share = |of: &SyncGroupRequestAssignment| {
        (name(&of.member_id), Bytes::copy_from_slice(&of.assignment))
    };
    Sync {
        member: name(&request.member_id),
        instance: request.group_instance_id.as_ref().map(name),
        generation: request.generation_id,
        protocol_type: request.protocol_type.as_ref().map(name),
        protocol: request.protocol_name.as_ref().map(name),
        assignments: shares.map(share).collect(),
    }
}

fn synced(share: Synced, version: i16) -> SyncGroupResponse {
    let from_v5 = |named: Option<Name>| {
        let named = named.filter(|_| version >= 5);
        named.as_deref().map(text)
    };
    SyncGroupResponse::default()
        .with_error_code(NONE)
        .with_protocol_type(from_v5(share.protocol_type))
        .with_protocol_name(from_v5(share.protocol))
        .with_assignment(share.assignment)
}

fn refused(refusal: &Refusal) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(Code::from(refusal).code())
}
