//! Looking at the partitions that are due, within a request's limits and the room for answers.

use super::limits::Limits;
use super::selection::{Ends, Selection, Slot};
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code};
use crate::kafka::wire;
use crate::store::{Run, Status};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// Low byte of a batch's attributes.
const ATTRIBUTES_AT: usize = 22;

/// What was found where something was due.
pub struct Looked {
    pub found: Vec<Found>,
    /// The room that the records take.
    pub held: Option<OwnedSemaphorePermit>,
    /// Of records.
    pub bytes: usize,
}

/// One partition as it was found.
pub struct Found {
    pub place: usize,
    pub code: Option<Code>,
    pub ends: Ends,
    pub runs: Vec<Bytes>,
    /// Whether there are records behind the offset asked for.
    pub is_behind: bool,
}

/// How much was read, and the room that it takes.
#[derive(Default)]
struct Room {
    bytes: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Looked {
    /// Whether it is to be answered with now.
    pub fn is_enough(&self, limits: &Limits) -> bool {
        self.bytes >= limits.bytes_min || self.found.iter().any(|found| found.code.is_some())
    }
}

impl Selection {
    /// Looks at what is due; it remains so.
    pub async fn look(&mut self, cx: &Cx, limits: &Limits) -> Looked {
        let mut room = Room::default();
        let mut found = Vec::with_capacity(self.due.len());
        for at in 0..self.due.len() {
            let place = self.due[at];
            let status = self.status(cx, place);
            let Some(slot) = &self.slots[place] else {
                continue;
            };
            let looked = match status {
                Ok(status) => slot.look(cx, limits, status, &mut room).await,
                Err(code) => Err(code.into()),
            };
            found.push(Found {
                place,
                ..looked.unwrap_or_else(|error| {
                    // Requests that held room for nothing and waited for more would wait for
                    // each other.
                    room.keep(0);
                    Found::refused(error.code)
                })
            });
        }
        Looked {
            found,
            held: room.held,
            bytes: room.bytes,
        }
    }

    /// A partition's status. One that is not there is looked for again by those who stay.
    fn status(&mut self, cx: &Cx, place: usize) -> Result<Status, Code> {
        let found = self.status_now(cx, place);
        if found.is_ok() || !self.is_watched() {
            return found;
        }
        self.resolve(cx, place);
        self.status_now(cx, place)
    }

    fn status_now(&self, cx: &Cx, place: usize) -> Result<Status, Code> {
        let slot = self.slots[place].as_ref();
        let id = slot.map_or(Err(Code::UnknownTopicOrPartition), |slot| slot.source)?;
        let status = cx.store.partition_of(id).status();
        status.map_err(|error| ApiError::from(error).code)
    }
}

impl Slot {
    async fn look(
        &self,
        cx: &Cx,
        limits: &Limits,
        status: Status,
        room: &mut Room,
    ) -> Result<Found, ApiError> {
        let from = wire::offset(self.fetch_offset).ok_or(Code::OffsetOutOfRange)?;
        if from < status.log_start || from > status.high_watermark {
            return Err(Code::OffsetOutOfRange.into());
        }
        let mut found = Found {
            place: 0,
            code: None,
            ends: Ends {
                log_start: wire::stated(status.log_start),
                high_watermark: wire::stated(status.high_watermark),
            },
            runs: Vec::new(),
            is_behind: from < status.high_watermark,
        };
        let bytes_left = limits.bytes_max.saturating_sub(room.bytes);
        let bytes_max = wire::byte_count(self.bytes_max).min(bytes_left);
        if !found.is_behind || !room.take(cx, bytes_max, status).await {
            return Ok(found);
        }
        let partition = cx.store.partition_of(self.source?);
        let runs = partition.read(from, bytes_max).await?;
        if !limits.takes_zstd && runs.iter().any(has_zstd) {
            return Err(Code::UnsupportedCompressionType.into());
        }
        // The first batch of the answer comes whatever its size, so that no consumer is stuck in
        // front of a large one.
        if room.bytes == 0 || first_batch_bytes(&runs) <= bytes_max {
            found.runs = runs.into_iter().map(|run| run.bytes).collect();
        }
        room.keep(found.runs.iter().map(Bytes::len).sum());
        Ok(found)
    }
}

impl Found {
    fn refused(code: Code) -> Found {
        Found {
            place: 0,
            code: Some(code),
            ends: Ends::UNKNOWN,
            runs: Vec::new(),
            is_behind: false,
        }
    }
}

impl Room {
    /// Takes room for what may be read; the first partition with data waits for it, the others
    /// are left for the next request.
    async fn take(&mut self, cx: &Cx, bytes_max: usize, status: Status) -> bool {
        let is_first = self.bytes == 0;
        if bytes_max == 0 && !is_first {
            return false;
        }
        let kept = usize::try_from(status.bytes).unwrap_or(usize::MAX);
        let bytes = bytes_max.min(kept).max(1);
        let taken = match is_first {
            true => Some(cx.budget.response(bytes).await),
            false => cx.budget.response_now(bytes),
        };
        let Some(taken) = taken else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        true
    }

    /// Notes what was read, and gives back room that was taken beyond it.
    fn keep(&mut self, bytes: usize) {
        self.bytes += bytes;
        if let Some(held) = &mut self.held {
            let beyond = held.num_permits().saturating_sub(self.bytes);
            drop(held.split(beyond));
        }
    }
}

fn first_batch_bytes(runs: &[Run]) -> usize {
    let first = runs.iter().flat_map(|run| &run.batches).next();
    first.map_or(0, |batch| {
        usize::try_from(batch.bytes).unwrap_or(usize::MAX)
    })
}

fn has_zstd(run: &Run) -> bool {
    let mut at = 0;
    run.batches.iter().any(|batch| {
        let attributes = run.bytes.get(at + ATTRIBUTES_AT);
        at += usize::try_from(batch.bytes).unwrap_or(usize::MAX);
        attributes.is_some_and(|bits| bits & 0x07 == 4)
    })
}
