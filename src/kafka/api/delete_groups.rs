//! DeleteGroups (42): ends groups without members, and forgets their commits.

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE, of_coordinator};
use crate::kafka::reply::Reply;
use crate::kafka::text::name;
use futures_util::future::join_all;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

pub async fn handle(
    cx: &Cx,
    request: DeleteGroupsRequest,
    _version: i16,
) -> Reply<DeleteGroupsResponse> {
    let groups = request.groups_names.into_iter();
    // All have their places, or their refusals, before any is waited for.
    let deleted: Vec<_> = groups
        .map(|id| (cx.groups.delete(&cx.store, &name(&id)), id))
        .collect();
    Reply::later(async move {
        let results = deleted.into_iter().map(|(deleted, id)| async move {
            let code = match deleted {
                Err(refusal) => Code::from(&refusal).code(),
                Ok(durable) => match durable.await {
                    Ok(()) => NONE,
                    Err(error) => of_coordinator(&error).code(),
                },
            };
            result(id, code)
        });
        DeleteGroupsResponse::default().with_results(join_all(results).await)
    })
}

fn result(id: GroupId, code: i16) -> DeletableGroupResult {
    DeletableGroupResult::default()
        .with_group_id(id)
        .with_error_code(code)
}
