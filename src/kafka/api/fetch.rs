//! Fetch (1): whole batches from the offsets asked for, at once or as soon as there are enough.
//!
//! v4 isolation level, v5 log start offset, v7 sessions (always declined, which is legal: clients
//! go on naming every partition), v9 leader epochs, v10 zstd, v11 racks, v12 flexible, v13 topics
//! by id, v15 replica state, v16 node endpoints. There are no transactions yet: the last stable
//! offset is the high watermark, and nothing was ever aborted.

mod plan;
mod read;
mod response;

use crate::kafka::cx::Cx;
use crate::kafka::error::Code;
use crate::kafka::reply::Reply;
use kafka_protocol::messages::FetchRequest;
use plan::Plan;
use response::Fetched;
use std::pin::pin;
use tokio::time::sleep;

pub async fn handle(cx: &Cx, request: FetchRequest, version: i16) -> Reply<Fetched> {
    if version >= 7 && request.session_epoch > 0 {
        // A session can only be one that this server never gave.
        return Reply::Now(Fetched::refused(Code::FetchSessionIdNotFound));
    }
    let plan = Plan::new(cx, &request, version);
    let cx = Cx {
        client_id: None, // a slice of the frame
        ..cx.clone()
    };
    let Some(room) = plan.room(&cx) else {
        return Reply::later(async move { plan.read(&cx).await });
    };
    Reply::parked(async move {
        let fetched = fetch(&cx, &plan).await;
        drop(room);
        fetched
    })
}

/// Reads; answers if that is enough; else waits for growth, until there is no more time.
async fn fetch(cx: &Cx, plan: &Plan) -> Fetched {
    let fetched = plan.read(cx).await;
    if plan.is_enough(&fetched) {
        return fetched;
    }
    drop(fetched);
    let growth = cx.store.growth(&plan.partition_ids());
    let mut deadline = pin!(sleep(plan.wait));
    let mut stopping = pin!(cx.stopping());
    loop {
        // Registered before it is read, so no growth is missed.
        let fetched = plan.read(cx).await;
        if plan.is_enough(&fetched) {
            return fetched;
        }
        // What is not sent must not take room while nobody knows how long the wait will be.
        drop(fetched);
        tokio::select! {
            () = growth.wait() => {}
            () = &mut deadline => return plan.read(cx).await,
            () = &mut stopping => return plan.read(cx).await,
        }
    }
}
