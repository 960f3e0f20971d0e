//! What a Fetch asks for, partition by partition, and which of them are due to be looked at.

use super::IDS_FROM;
use super::limits::Limits;
use super::look::{Found, Looked};
use super::response::{Fetched, FetchedPartition, FetchedTopic};
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code};
use crate::kafka::text::text;
use crate::kafka::topic::{self, TopicRef};
use crate::store::{PartitionId, Stream, Watch};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use std::sync::Arc;

/// What a partition takes in memory, with its place among those that are watched.
const SLOT_BYTES: usize = size_of::<Option<Slot>>() + 32;
/// What a topic takes, but for its name and its partitions.
const TOPIC_BYTES: usize = size_of::<TopicRef>() + 16;

/// Partitions at places that do not change, but may be given up and filled again.
#[derive(Default)]
pub struct Selection {
    pub slots: Vec<Option<Slot>>,
    /// Places to look at, in this order, each once.
    pub due: Vec<usize>,
    is_due: Vec<bool>,
    /// Of all topics, with their names.
    pub topic_bytes: usize,
    /// Tells of growth at each place, once somebody waits.
    watch: Option<Watch>,
}

pub struct Slot {
    pub topic: Arc<TopicRef>,
    pub index: i32,
    /// As it came, to be small.
    pub bytes_max: i32,
    leader_epoch: i32,
    pub fetch_offset: i64,
    /// Where to read, or why not.
    pub source: Result<PartitionId, Code>,
    /// Where the log began and ended when it was looked at last; in a session, what the client
    /// has been told.
    pub ends: Ends,
}

/// Log start and high watermark on the wire; −1 for unknown ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub log_start: i64,
    pub high_watermark: i64,
}

impl Ends {
    pub const UNKNOWN: Ends = Ends {
        log_start: -1,
        high_watermark: -1,
    };
}

impl Selection {
    /// All that a request names, all of it due.
    pub fn new(cx: &Cx, request: &FetchRequest, version: i16) -> Selection {
        let mut selection = Selection::default();
        for asked in &request.topics {
            let topic = Arc::new(topic_of(asked, version));
            let stream = topic.find(cx).map_err(|error| error.code);
            selection.topic_bytes += topic_bytes(&topic);
            for asked in &asked.partitions {
                let source = source(cx, &stream, asked.partition, asked.current_leader_epoch);
                selection.put(selection.slots.len(), Slot::new(&topic, asked, source));
            }
        }
        selection
    }

    /// How many topics there are, as they came.
    pub fn topics(&self) -> usize {
        let topics = self.slots.iter().flatten().map(|slot| &slot.topic);
        let mut topics: Vec<_> = topics.map(Arc::as_ptr).collect();
        topics.dedup();
        topics.len()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.topic_bytes + SLOT_BYTES * self.slots.len()
    }

    /// Puts a partition at a place, which makes it due.
    pub fn put(&mut self, place: usize, slot: Slot) {
        if place == self.slots.len() {
            self.slots.push(None);
            self.is_due.push(false);
        }
        if let Some(watch) = &mut self.watch {
            watch.set(place, slot.source.ok());
        }
        self.slots[place] = Some(slot);
        self.make_due(place);
    }

    /// Gives up a place.
    pub fn clear(&mut self, place: usize) {
        self.slots[place] = None;
        if let Some(watch) = &mut self.watch {
            watch.set(place, None);
        }
    }

    pub fn make_due(&mut self, place: usize) {
        if !std::mem::replace(&mut self.is_due[place], true) {
            self.due.push(place);
        }
    }

    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Waits for growth from now on; whatever has grown before is due.
    pub fn start_watch(&mut self, cx: &Cx) {
        let mut watch = cx.store.watch();
        let sources = self.slots.iter().map(|slot| slot.as_ref()?.source.ok());
        watch.set_all(sources.enumerate());
        self.watch = Some(watch);
        (0..self.slots.len()).for_each(|place| self.make_due(place));
    }

    /// Makes due what has grown.
    pub fn hear(&mut self) {
        let grown = self.watch.as_ref().map(Watch::grown);
        grown
            .into_iter()
            .flatten()
            .for_each(|place| self.make_due(place));
    }

    /// Resolves after growth of so many bytes.
    pub async fn growth(&self, bytes: usize) {
        match &self.watch {
            Some(watch) => watch.wait(u64::try_from(bytes).unwrap_or(u64::MAX)).await,
            None => std::future::pending().await,
        }
    }

    /// Looks for a partition once more: its topic may have been made or made anew.
    pub fn resolve(&mut self, cx: &Cx, place: usize) {
        let Some(slot) = &mut self.slots[place] else {
            return;
        };
        let stream = slot.topic.find(cx).map_err(|error| error.code);
        slot.source = source(cx, &stream, slot.index, slot.leader_epoch);
        if let Some(watch) = &mut self.watch {
            watch.set(place, slot.source.ok());
        }
    }

    /// Lets go of what was not enough to be answered with. What had no news is no longer due.
    pub fn put_off(&mut self, looked: Looked) {
        self.none_due();
        for found in &looked.found {
            let Some(slot) = &mut self.slots[found.place] else {
                continue;
            };
            let has_news = found.is_behind || found.code.is_some() || found.ends != slot.ends;
            if has_news {
                self.make_due(found.place);
            }
        }
    }

    /// Answers for every partition.
    pub fn answer_all(&mut self, mut looked: Looked, limits: &Limits) -> Fetched {
        self.settle(&looked);
        looked.found.sort_unstable_by_key(|found| found.place);
        let mut found = looked.found.into_iter().peekable();
        let slots = self.slots.iter().enumerate();
        let mut topics: Vec<FetchedTopic> = Vec::new();
        for (place, slot) in slots {
            let looked_at = found.next_if(|found| found.place == place);
            if let Some(slot) = slot {
                add(&mut topics, slot, looked_at);
            }
        }
        Fetched {
            topics,
            read_committed: limits.read_committed,
            held: looked.held,
            ..Fetched::default()
        }
    }

    /// Answers for what the client does not know yet (KIP-227).
    pub fn answer_changes(&mut self, mut looked: Looked, limits: &Limits) -> Fetched {
        let is_news = |found: &Found| {
            let slot = self.slots[found.place].as_ref();
            let known = slot.map(|slot| slot.ends);
            !found.runs.is_empty() || found.code.is_some() || known != Some(found.ends)
        };
        let mut news: Vec<bool> = looked.found.iter().map(is_news).collect();
        self.settle(&looked);
        let mut news = news.drain(..);
        looked.found.retain(|_| news.next().unwrap_or(false));
        let mut topics: Vec<FetchedTopic> = Vec::new();
        for found in looked.found {
            if let Some(slot) = &self.slots[found.place] {
                add(&mut topics, slot, Some(found));
            }
        }
        Fetched {
            topics,
            read_committed: limits.read_committed,
            held: looked.held,
            ..Fetched::default()
        }
    }

    /// Notes what the client is told. What it has not been sent all of stays due; what it is
    /// sent something of goes to the back, for the others' sake.
    fn settle(&mut self, looked: &Looked) {
        self.none_due();
        for found in &looked.found {
            let Some(slot) = &mut self.slots[found.place] else {
                continue;
            };
            slot.ends = found.ends;
            if found.runs.is_empty() && (found.is_behind || found.code.is_some()) {
                self.make_due(found.place);
            }
        }
        for found in looked.found.iter().filter(|found| !found.runs.is_empty()) {
            self.make_due(found.place);
        }
    }

    fn none_due(&mut self) {
        for place in self.due.drain(..) {
            self.is_due[place] = false;
        }
    }
}

impl Slot {
    pub fn new(
        topic: &Arc<TopicRef>,
        asked: &FetchPartition,
        source: Result<PartitionId, Code>,
    ) -> Slot {
        Slot {
            topic: topic.clone(),
            index: asked.partition,
            bytes_max: asked.partition_max_bytes,
            leader_epoch: asked.current_leader_epoch,
            fetch_offset: asked.fetch_offset,
            source,
            ends: Ends::UNKNOWN,
        }
    }

    /// Goes on somewhere else, or with other limits. False if that needs another look for the
    /// partition.
    pub fn change(&mut self, asked: &FetchPartition) -> bool {
        self.bytes_max = asked.partition_max_bytes;
        self.fetch_offset = asked.fetch_offset;
        let before = std::mem::replace(&mut self.leader_epoch, asked.current_leader_epoch);
        before == self.leader_epoch
    }
}

/// Adds an answer behind those of its topic, if they are the last ones.
fn add(topics: &mut Vec<FetchedTopic>, slot: &Slot, found: Option<Found>) {
    let is_of_it = |last: &FetchedTopic| Arc::ptr_eq(&last.topic, &slot.topic);
    if !topics.last().is_some_and(is_of_it) {
        topics.push(FetchedTopic {
            topic: slot.topic.clone(),
            partitions: Vec::new(),
        });
    }
    let (code, runs) = match found {
        Some(found) => (found.code, found.runs),
        None => (None, Vec::new()),
    };
    if let Some(last) = topics.last_mut() {
        last.partitions.push(FetchedPartition {
            index: slot.index,
            code,
            ends: slot.ends,
            runs,
        });
    }
}

pub fn topic_of(asked: &FetchTopic, version: i16) -> TopicRef {
    match version {
        IDS_FROM.. => TopicRef::Id(asked.topic_id),
        // A copy: what is kept must not keep its frame.
        _ => TopicRef::Name(TopicName(text(&asked.topic))),
    }
}

pub fn topic_bytes(topic: &TopicRef) -> usize {
    let name = match topic {
        TopicRef::Name(name) => name.len(),
        TopicRef::Id(_) => 0,
    };
    TOPIC_BYTES + name
}

pub fn source(
    cx: &Cx,
    stream: &Result<Arc<Stream>, Code>,
    index: i32,
    leader_epoch: i32,
) -> Result<PartitionId, Code> {
    let stream = stream.as_ref().map_err(|code| *code)?;
    let partition = topic::partition(cx, stream, index);
    let checked = partition.and_then(|partition| {
        topic::check_leader_epoch(leader_epoch)?;
        Ok(partition.id())
    });
    checked.map_err(|error: ApiError| error.code)
}

#[cfg(test)]
mod tests;
