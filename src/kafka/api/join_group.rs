//! JoinGroup (11): takes part in a group's next generation; parked until that begins.
//!
//! v1 rebalance timeout (before, the session timeout serves), v4 a new dynamic member is told its
//! id first (KIP-394), v5 static members, v7 protocol type, v9 skip_assignment (KIP-814).

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::group::{Client, Join, Joined, JoinedMember, Protocol, Refusal};
use crate::kafka::reply::Reply;
use crate::kafka::text::{name, text};
use crate::store::Name;
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub async fn handle(cx: &Cx, request: JoinGroupRequest, version: i16) -> Reply<JoinGroupResponse> {
    // A copy: a parked request must not keep its frame.
    let member = text(&request.member_id);
    if request.group_id.is_empty() {
        return Reply::Now(refused(member, &Refusal::EmptyGroupName, version));
    }
    let group = name(&request.group_id);
    let join = match join(cx, request, version) {
        Ok(join) => join,
        Err(refusal) => return Reply::Now(refused(member, &refusal, version)),
    };
    let parked = cx.groups.join(&cx.store, &group, join);
    let stopping = cx.stopping();
    Reply::parked(async move {
        match parked.answered_unless(stopping).await {
            Ok(place) => joined(place, version),
            Err(refusal) => refused(member, &refusal, version),
        }
    })
}

fn join(cx: &Cx, request: JoinGroupRequest, version: i16) -> Result<Join, Refusal> {
    let config = &cx.config;
    let allowed = config.group_session_timeout_ms_min..=config.group_session_timeout_ms_max;
    let session_ms = u64::try_from(request.session_timeout_ms)
        .ok()
        .filter(|ms| allowed.contains(ms))
        .ok_or(Refusal::SessionTimeout)?;
    let rebalance_ms = u64::try_from(request.rebalance_timeout_ms).unwrap_or(session_ms);
    let instance = request.group_instance_id.as_ref().map(name);
    let client_id = cx.client_id.as_ref().map_or("", StrBytes::as_str);
    let prefix = instance.as_deref().unwrap_or(client_id);
    Ok(Join {
        member: name(&request.member_id),
        fresh: Name::from(format!("{prefix}-{}", Uuid::new_v4())),
        client: Client {
            id: client_id.into(),
            host: Name::from(format!("/{}", cx.client_host)),
        },
        session_ms,
        rebalance_ms,
        protocol_type: name(&request.protocol_type),
        protocols: request.protocols.iter().map(protocol).collect(),
        must_know_its_id: version >= 4,
        can_skip_assignment: version >= 9,
        instance,
    })
}

fn protocol(protocol: &JoinGroupRequestProtocol) -> Protocol {
    Protocol {
        name: name(&protocol.name),
        // A copy: the member outlives the frame.
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    }
}

fn joined(place: Joined, version: i16) -> JoinGroupResponse {
    let members = place.members.iter();
    JoinGroupResponse::default()
        .with_error_code(NONE)
        .with_generation_id(place.generation)
        .with_protocol_type(
            place
                .protocol_type
                .as_deref()
                .map(text)
                .filter(|_| version >= 7),
        )
        .with_protocol_name(place.protocol.as_deref().map(text))
        .with_leader(text(&place.leader))
        .with_skip_assignment(place.skip_assignment)
        .with_member_id(text(&place.member))
        .with_members(members.map(|member| described(member, version)).collect())
}

fn described(member: &JoinedMember, version: i16) -> JoinGroupResponseMember {
    let instance = member.instance.as_deref().map(text);
    JoinGroupResponseMember::default()
        .with_member_id(text(&member.id))
        .with_group_instance_id(instance.filter(|_| version >= 5))
        .with_metadata(member.metadata.clone())
}

fn refused(asked: StrBytes, refusal: &Refusal, version: i16) -> JoinGroupResponse {
    let member = match refusal {
        Refusal::MemberIdRequired(id) => text(id),
        _ => asked,
    };
    // Null is legal from v7 on only.
    let protocol = (version < 7).then(StrBytes::default);
    JoinGroupResponse::default()
        .with_error_code(Code::from(refusal).code())
        .with_generation_id(-1)
        .with_protocol_name(protocol)
        .with_member_id(member)
}
