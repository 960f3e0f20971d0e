//! ListGroups (16): every group, with members or with commits only.
//!
//! v4 state, and a filter by it; v5 type, and a filter by it. Both filters ignore case.

use crate::kafka::cx::Cx;
use crate::kafka::error::NONE;
use crate::kafka::group::Described;
use crate::kafka::reply::Reply;
use crate::kafka::text::text;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

/// The type of every group here.
const CLASSIC: &str = "classic";

pub async fn handle(
    cx: &Cx,
    request: ListGroupsRequest,
    version: i16,
) -> Reply<ListGroupsResponse> {
    let is_asked = |group: &Described| {
        passes(&request.states_filter, group.phase.name()) && passes(&request.types_filter, CLASSIC)
    };
    let groups = cx.groups.list(&cx.store).into_iter();
    let groups = groups
        .filter(|(_, group)| is_asked(group))
        .map(|(name, group)| {
            let from = |first: i16, text: &'static str| match version >= first {
                true => StrBytes::from_static_str(text),
                false => StrBytes::default(),
            };
            ListedGroup::default()
                .with_group_id(GroupId(text(&name)))
                .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
                .with_group_state(from(4, group.phase.name()))
                .with_group_type(from(5, CLASSIC))
        });
    Reply::Now(
        ListGroupsResponse::default()
            .with_error_code(NONE)
            .with_groups(groups.collect()),
    )
}

fn passes(filter: &[StrBytes], text: &str) -> bool {
    filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(text))
}
