//! Reading what a plan asks for, within its limits and the room there is for answers.

use super::plan::{PartitionPlan, Plan};
use super::response::{Fetched, FetchedPartition, FetchedTopic};
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code};
use crate::kafka::wire;
use crate::store::{Partition, Run, Status};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// Low byte of a batch's attributes.
const ATTRIBUTES_AT: usize = 22;

/// How much was read, and the room that it takes.
#[derive(Default)]
struct Room {
    bytes: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Plan {
    pub async fn read(&self, cx: &Cx) -> Fetched {
        let mut room = Room::default();
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in &self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for plan in &topic.partitions {
                partitions.push(self.partition(cx, plan, &mut room).await);
            }
            topics.push(FetchedTopic {
                topic: topic.topic.clone(),
                partitions,
            });
        }
        Fetched {
            code: None,
            topics,
            read_committed: self.read_committed,
            held: room.held,
        }
    }

    async fn partition(&self, cx: &Cx, plan: &PartitionPlan, room: &mut Room) -> FetchedPartition {
        let read = match &plan.source {
            Ok(partition) => self.read_partition(cx, plan, partition, room).await,
            Err(code) => Err((*code).into()),
        };
        read.unwrap_or_else(|error| {
            // Requests that held room for nothing and waited for more would wait for each other.
            room.keep(0);
            FetchedPartition::refused(plan.index, error.code)
        })
    }

    async fn read_partition(
        &self,
        cx: &Cx,
        plan: &PartitionPlan,
        partition: &Partition,
        room: &mut Room,
    ) -> Result<FetchedPartition, ApiError> {
        let status = partition.status()?;
        let from = wire::offset(plan.fetch_offset).ok_or(Code::OffsetOutOfRange)?;
        let mut fetched = FetchedPartition {
            index: plan.index,
            code: None,
            high_watermark: wire::stated(status.high_watermark),
            log_start: wire::stated(status.log_start),
            runs: Vec::new(),
        };
        if from < status.log_start || from > status.high_watermark {
            return Err(Code::OffsetOutOfRange.into());
        }
        let bytes_left = self.bytes_max.saturating_sub(room.bytes);
        let bytes_max = wire::byte_count(plan.bytes_max).min(bytes_left);
        if from == status.high_watermark || !room.take(cx, bytes_max, status).await {
            return Ok(fetched);
        }
        let runs = partition.read(from, bytes_max).await?;
        if !self.takes_zstd && runs.iter().any(has_zstd) {
            return Err(Code::UnsupportedCompressionType.into());
        }
        // The first batch of the answer comes whatever its size, so that no consumer is stuck in
        // front of a large one.
        if room.bytes == 0 || first_batch_bytes(&runs) <= bytes_max {
            fetched.runs = runs.into_iter().map(|run| run.bytes).collect();
        }
        room.keep(fetched.runs.iter().map(Bytes::len).sum());
        Ok(fetched)
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
