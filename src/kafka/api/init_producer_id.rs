//! InitProducerId (22): an id for an idempotent producer, new every time.
//!
//! v1 throttle, v2 flexible, v3 the producer's own id and epoch, v4 fencing by error 90. There are
//! no transactions yet: a transactional id is refused with 53.

use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::store::ProducerId;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

pub async fn handle(
    cx: &Cx,
    request: InitProducerIdRequest,
    version: i16,
) -> Reply<InitProducerIdResponse> {
    let response = InitProducerIdResponse::default();
    Reply::Now(match allot(cx, &request, version).await {
        Ok(id) => response
            .with_error_code(NONE)
            .with_producer_id(id.0.into())
            .with_producer_epoch(0),
        Err(error) => response
            .with_error_code(error.code())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1),
    })
}

async fn allot(
    cx: &Cx,
    request: &InitProducerIdRequest,
    version: i16,
) -> Result<ProducerId, ApiError> {
    match &request.transactional_id {
        Some(id) if id.is_empty() => return Err(Code::InvalidRequest.into()),
        Some(_) => return Err(Code::TransactionalIdAuthorizationFailed.into()),
        None => {}
    }
    let has_id = request.producer_id.0 != -1;
    let has_epoch = request.producer_epoch != -1;
    if version >= 3 && has_id != has_epoch {
        return Err(Code::InvalidRequest.into());
    }
    Ok(cx.store.new_producer_id().await?)
}
