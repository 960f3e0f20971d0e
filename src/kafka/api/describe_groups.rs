//! DescribeGroups (15): phase and members; what members said and got only while stable.
//!
//! v3 authorized operations, v4 instance ids, v6 an unknown group is an error instead of "Dead".

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::group::{Described, Member, Phase};
use crate::kafka::reply::Reply;
use crate::kafka::text::text;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;

/// Read, delete, describe, describe configs, alter configs: 1 shifted by each operation's code.
const OPERATIONS_ALL: i32 = 3400;
/// What is told when nobody asked.
const OPERATIONS_UNKNOWN: i32 = i32::MIN;

pub async fn handle(
    cx: &Cx,
    request: DescribeGroupsRequest,
    version: i16,
) -> Reply<DescribeGroupsResponse> {
    let operations = match request.include_authorized_operations {
        true => OPERATIONS_ALL,
        false => OPERATIONS_UNKNOWN,
    };
    // Each group once: the answer must not outgrow what there is to tell.
    let mut seen = HashSet::new();
    let groups = request
        .groups
        .into_iter()
        .filter(|id| seen.insert(id.clone()))
        .map(|id| match cx.groups.describe(&cx.store, &id) {
            Some(group) => known(id, &group, version).with_authorized_operations(operations),
            None => unknown(id, version),
        });
    Reply::Now(DescribeGroupsResponse::default().with_groups(groups.collect()))
}

fn known(id: GroupId, group: &Described, version: i16) -> DescribedGroup {
    let protocol = group
        .protocol
        .as_deref()
        .filter(|_| group.phase == Phase::Stable);
    let members = group.members.iter();
    DescribedGroup::default()
        .with_error_code(NONE)
        .with_group_id(id)
        .with_group_state(StrBytes::from_static_str(group.phase.name()))
        .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
        .with_protocol_data(text(protocol.unwrap_or_default()))
        .with_members(members.map(|m| described(m, protocol, version)).collect())
}

fn described(member: &Member, protocol: Option<&str>, version: i16) -> DescribedGroupMember {
    let instance = member.instance.as_deref().map(text);
    let base = DescribedGroupMember::default()
        .with_member_id(text(&member.id))
        .with_group_instance_id(instance.filter(|_| version >= 4))
        .with_client_id(text(&member.client.id))
        .with_client_host(text(&member.client.host));
    let Some(protocol) = protocol else {
        return base;
    };
    base.with_member_metadata(member.metadata(protocol))
        .with_member_assignment(member.assignment.clone())
}

fn unknown(id: GroupId, version: i16) -> DescribedGroup {
    let dead = DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str("Dead"))
        .with_authorized_operations(OPERATIONS_UNKNOWN);
    if version < 6 {
        return dead.with_group_id(id);
    }
    let message = format!("Group {} not found.", id.as_str());
    dead.with_group_id(id)
        .with_error_code(Code::GroupIdNotFound.code())
        .with_error_message(Some(StrBytes::from_string(message)))
}
