//! LeaveGroup (13): members go at once instead of when their sessions end.
//!
//! v3 several members at once, static ones by their instance ids (KIP-345); before, the one
//! member's error is the whole answer's.

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::group::{Leaver, Refusal};
use crate::kafka::reply::Reply;
use crate::kafka::text::name;
use crate::store::Name;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

pub async fn handle(
    cx: &Cx,
    request: LeaveGroupRequest,
    version: i16,
) -> Reply<LeaveGroupResponse> {
    if request.group_id.is_empty() {
        let code = Code::from(&Refusal::EmptyGroupName).code();
        return Reply::Now(LeaveGroupResponse::default().with_error_code(code));
    }
    let group = name(&request.group_id);
    if version < 3 {
        let lone = MemberIdentity::default().with_member_id(request.member_id);
        let left = leave(cx, &group, &[leaver(&lone)]);
        let code = left.first().map_or(NONE, code);
        return Reply::Now(LeaveGroupResponse::default().with_error_code(code));
    }
    let leavers: Vec<Leaver> = request.members.iter().map(leaver).collect();
    let left = leave(cx, &group, &leavers);
    let members = request.members.into_iter().zip(&left);
    let members = members.map(|(member, left)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code(left))
    });
    Reply::Now(LeaveGroupResponse::default().with_members(members.collect()))
}

fn leave(cx: &Cx, group: &Name, leavers: &[Leaver]) -> Vec<Result<(), Refusal>> {
    let left = cx.groups.leave(group, leavers);
    // Seen by this request, so that the answer waits until a group that is empty now is stored.
    drop(cx.store.group(group));
    left
}

fn leaver(member: &MemberIdentity) -> Leaver {
    Leaver {
        member: name(&member.member_id),
        instance: member.group_instance_id.as_ref().map(name),
    }
}

fn code(left: &Result<(), Refusal>) -> i16 {
    match left {
        Ok(()) => NONE,
        Err(refusal) => Code::from(refusal).code(),
    }
}
