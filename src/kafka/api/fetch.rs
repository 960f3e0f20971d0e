//! Fetch (1): whole batches from the offsets asked for, at once or as soon as there are enough.
//!
//! v4 isolation level, v5 log start offset, v7 sessions (KIP-227), v9 leader epochs, v10 zstd,
//! v11 racks, v12 flexible, v13 topics by id, v15 replica state, v16 node endpoints. There are no
//! transactions yet: the last stable offset is the high watermark, and nothing was ever aborted.

mod limits;
mod look;
mod response;
mod selection;
mod session;
mod sessions;

pub use sessions::Sessions;

use crate::kafka::cx::Cx;
use crate::kafka::error::Code;
use crate::kafka::reply::Reply;
use kafka_protocol::messages::FetchRequest;
use limits::Limits;
use look::Looked;
use response::Fetched;
use selection::Selection;
use session::Session;
use sessions::Out;
use std::pin::pin;
use tokio::time::sleep;

/// First version with sessions.
const SESSIONS_FROM: i16 = 7;
/// First version that names topics by id.
const IDS_FROM: i16 = 13;

pub async fn handle(cx: &Cx, request: FetchRequest, version: i16) -> Reply<Fetched> {
    let limits = Limits::new(cx, &request, version);
    let (id, epoch) = match version {
        SESSIONS_FROM.. => (request.session_id, request.session_epoch),
        _ => (0, -1),
    };
    let without_client = Cx {
        client_id: None, // a slice of the frame
        ..cx.clone()
    };
    if epoch <= 0 {
        cx.sessions.close(id);
        let selection = Selection::new(cx, &request, version);
        return match epoch {
            0 => opening(without_client, selection, limits, version >= IDS_FROM),
            _ => full(without_client, selection, limits),
        };
    }
    let (out, mut session) = match cx.sessions.take(id, epoch, version >= IDS_FROM) {
        Ok(taken) => taken,
        Err(code) => return Reply::Now(Fetched::refused(code)),
    };
    session.change(cx, &request, version);
    if session.len() == 0 {
        // As in Kafka, a session of nothing ends.
        return Reply::Now(Fetched::default());
    }
    if !session.take_room(cx) {
        return Reply::Now(Fetched::refused(Code::FetchSessionIdNotFound));
    }
    going_on(without_client, session, limits, out)
}

/// Without a session: every partition is answered for.
fn full(cx: Cx, mut selection: Selection, limits: Limits) -> Reply<Fetched> {
    let room = limits.room(&cx, selection.bytes());
    let may_wait = room.is_some();
    waiting(may_wait, async move {
        let looked = fetch(&cx, &limits, &mut selection, may_wait).await;
        drop(room);
        selection.answer_all(looked, &limits)
    })
}

/// The same, and the partitions are kept for the next fetch if there is room for that.
fn opening(cx: Cx, selection: Selection, limits: Limits, uses_ids: bool) -> Reply<Fetched> {
    let Some(room) = Session::room(&cx, &selection) else {
        return full(cx, selection, limits);
    };
    let mut session = Session::new(&cx, selection, room);
    let room = limits.room(&cx, 0);
    let may_wait = room.is_some();
    waiting(may_wait, async move {
        let looked = fetch(&cx, &limits, &mut session.selection, may_wait).await;
        drop(room);
        let mut fetched = session.selection.answer_all(looked, &limits);
        fetched.session_id = cx.sessions.open(session, uses_ids, cx.clock.now());
        fetched
    })
}

/// In a session: only what may have changed is looked at, and only what has is answered for.
fn going_on(cx: Cx, mut session: Session, limits: Limits, out: Out) -> Reply<Fetched> {
    let room = limits.room(&cx, 0);
    let may_wait = room.is_some();
    waiting(may_wait, async move {
        let looked = fetch(&cx, &limits, &mut session.selection, may_wait).await;
        drop(room);
        let mut fetched = session.selection.answer_changes(looked, &limits);
        fetched.session_id = out.id;
        out.give_back(session, cx.clock.now());
        fetched
    })
}

fn waiting(
    is_parked: bool,
    rest: impl Future<Output = Fetched> + Send + 'static,
) -> Reply<Fetched> {
    match is_parked {
        true => Reply::parked(rest),
        false => Reply::later(rest),
    }
}

/// Looks; answers if that is enough; else waits for growth, until there is no more time.
async fn fetch(cx: &Cx, limits: &Limits, selection: &mut Selection, may_wait: bool) -> Looked {
    let mut deadline = pin!(sleep(limits.wait));
    let mut stopping = pin!(cx.stopping());
    let mut is_over = !may_wait || selection.slots.is_empty();
    loop {
        selection.hear();
        let looked = selection.look(cx, limits).await;
        if is_over || looked.is_enough(limits) {
            return looked;
        }
        let bytes_missing = limits.bytes_min - looked.bytes;
        // What is not sent must not take room while nobody knows how long the wait will be.
        selection.put_off(looked);
        if !selection.is_watched() {
            // What has grown meanwhile is found by looking at all of it once more.
            selection.start_watch(cx);
            continue;
        }
        tokio::select! {
            () = selection.growth(bytes_missing) => {}
            () = &mut deadline => is_over = true,
            () = &mut stopping => is_over = true,
        }
    }
}
