//! A fetch session (KIP-227): the partitions that a client fetches again and again, so that it
//! need not name them each time, and is told only what has changed.

use super::IDS_FROM;
use super::selection::{Selection, Slot, source, topic_bytes, topic_of};
use crate::kafka::budget::SessionRoom;
use crate::kafka::cx::Cx;
use crate::kafka::text::text;
use crate::kafka::topic::TopicRef;
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use std::collections::HashMap;
use std::sync::Arc;

/// What a session takes whatever is in it.
const SESSION_BYTES: usize = 1024;
/// What finding a topic takes, and a partition by its number.
const FINDING_TOPIC_BYTES: usize = 192;
const FINDING_BYTES: usize = 32;

pub struct Session {
    pub selection: Selection,
    places: HashMap<Arc<TopicRef>, HashMap<i32, usize>>,
    /// Places that were given up.
    free: Vec<usize>,
    room: SessionRoom,
}

impl Session {
    /// Room for a session of these partitions, if they are any and there is as much.
    pub fn room(cx: &Cx, selection: &Selection) -> Option<SessionRoom> {
        if selection.slots.is_empty() {
            return None;
        }
        cx.budget.session(bytes(selection, selection.topics()))
    }

    pub fn new(cx: &Cx, selection: Selection, room: SessionRoom) -> Session {
        let mut session = Session {
            selection,
            places: HashMap::new(),
            free: Vec::new(),
            room,
        };
        session.find_places();
        session.selection.start_watch(cx);
        session
    }

    pub fn len(&self) -> usize {
        self.selection.slots.len() - self.free.len()
    }

    /// Applies what a request adds, changes and forgets.
    pub fn change(&mut self, cx: &Cx, request: &FetchRequest, version: i16) {
        for asked in &request.topics {
            self.change_topic(cx, asked, version);
        }
        for forgotten in &request.forgotten_topics_data {
            self.forget(forgotten, version);
        }
    }

    /// Takes room for what has been added; false if there is none.
    pub fn take_room(&mut self, cx: &Cx) -> bool {
        let bytes = bytes(&self.selection, self.places.len());
        cx.budget.grow_session(&mut self.room, bytes)
    }

    /// A partition that was named twice is the later one, as in Kafka.
    fn find_places(&mut self) {
        for place in 0..self.selection.slots.len() {
            let Some(slot) = &self.selection.slots[place] else {
                continue;
            };
            let partitions = self.places.entry(slot.topic.clone()).or_default();
            if let Some(before) = partitions.insert(slot.index, place) {
                self.selection.clear(before);
                self.free.push(before);
            }
        }
    }

    fn change_topic(&mut self, cx: &Cx, asked: &FetchTopic, version: i16) {
        let topic = topic_of(asked, version);
        let topic = match self.places.get_key_value(&topic) {
            Some((known, _)) => known.clone(),
            None => {
                self.selection.topic_bytes += topic_bytes(&topic);
                Arc::new(topic)
            }
        };
        let partitions = self.places.entry(topic.clone()).or_default();
        // Looked for once, and only if a partition is new.
        let mut stream = None;
        for asked in &asked.partitions {
            let place = partitions.get(&asked.partition).copied();
            if let Some(place) = place
                && let Some(slot) = &mut self.selection.slots[place]
            {
                if !slot.change(asked) {
                    self.selection.resolve(cx, place);
                }
                self.selection.make_due(place);
                continue;
            }
            let found = || topic.find(cx).map_err(|error| error.code);
            let stream = stream.get_or_insert_with(found);
            let source = source(cx, stream, asked.partition, asked.current_leader_epoch);
            let place = self.free.pop().unwrap_or(self.selection.slots.len());
            self.selection.put(place, Slot::new(&topic, asked, source));
            partitions.insert(asked.partition, place);
        }
    }

    fn forget(&mut self, forgotten: &ForgottenTopic, version: i16) {
        let topic = match version {
            IDS_FROM.. => TopicRef::Id(forgotten.topic_id),
            _ => TopicRef::Name(TopicName(text(&forgotten.topic))),
        };
        let Some(partitions) = self.places.get_mut(&topic) else {
            return;
        };
        for index in &forgotten.partitions {
            if let Some(place) = partitions.remove(index) {
                self.selection.clear(place);
                self.free.push(place);
            }
        }
        if partitions.is_empty() {
            self.places.remove(&topic);
            self.selection.topic_bytes -= topic_bytes(&topic);
        }
    }
}

/// What a session of so many topics takes in memory.
fn bytes(selection: &Selection, topics: usize) -> usize {
    let finding = FINDING_TOPIC_BYTES * topics + FINDING_BYTES * selection.slots.len();
    SESSION_BYTES + selection.bytes() + finding
}
