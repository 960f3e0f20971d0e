//! Heartbeat (12): a member is alive, and learns whether it has to join again.
//!
//! v3 static members.

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::group::{Refusal, Who};
use crate::kafka::reply::Reply;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

pub async fn handle(cx: &Cx, request: HeartbeatRequest, _version: i16) -> Reply<HeartbeatResponse> {
    let who = Who {
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let alive = match request.group_id.is_empty() {
        true => Err(Refusal::EmptyGroupName),
        false => cx.groups.heartbeat(&request.group_id, who),
    };
    let code = alive.map_or_else(|refusal| Code::from(&refusal).code(), |()| NONE);
    Reply::Now(HeartbeatResponse::default().with_error_code(code))
}
