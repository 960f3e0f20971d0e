//! FindCoordinator (10): who looks after a group. It is always this broker.
//!
//! v1 key types, v3 flexible, v4 several keys at once. Transactional keys are refused with 53 as
//! long as there are no transactions, share keys (v6) with 42.

use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub async fn handle(
    cx: &Cx,
    request: FindCoordinatorRequest,
    version: i16,
) -> Reply<FindCoordinatorResponse> {
    let refused = refuse(request.key_type);
    if version >= 4 {
        let keys = request.coordinator_keys.into_iter();
        let found = keys.map(|key| coordinator(cx, &refused).with_key(key));
        return Reply::Now(FindCoordinatorResponse::default().with_coordinators(found.collect()));
    }
    let found = coordinator(cx, &refused);
    Reply::Now(
        FindCoordinatorResponse::default()
            .with_error_code(found.error_code)
            .with_error_message(found.error_message)
            .with_node_id(found.node_id)
            .with_host(found.host)
            .with_port(found.port),
    )
}

fn refuse(key_type: i8) -> Option<ApiError> {
    match key_type {
        GROUP => None,
        TRANSACTION => {
            let text = "Transactions are not supported";
            let code = Code::TransactionalIdAuthorizationFailed;
            Some(ApiError::new(code, text))
        }
        _ => Some(Code::InvalidRequest.into()),
    }
}

fn coordinator(cx: &Cx, refused: &Option<ApiError>) -> Coordinator {
    match refused {
        None => Coordinator::default()
            .with_error_code(NONE)
            .with_error_message(Some(StrBytes::default()))
            .with_node_id(cx.broker.id)
            .with_host(cx.endpoint.host.clone())
            .with_port(i32::from(cx.endpoint.port)),
        Some(error) => Coordinator::default()
            .with_error_code(error.code())
            .with_error_message(Some(error.message.clone()))
            .with_node_id((-1).into())
            .with_port(-1),
    }
}
