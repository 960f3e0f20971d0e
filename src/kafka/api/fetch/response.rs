//! A Fetch response, written as small pieces with the log's own bytes between them: records are
//! never copied.

use super::selection::Ends;
use crate::kafka::error::{Code, NONE};
use crate::kafka::reply::{Answer, Respond};
use crate::kafka::topic::TopicRef;
use crate::kafka::wire::{self, ResponseHead};
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// First version with compact lengths and tagged fields.
const FLEXIBLE_FROM: i16 = 12;

#[derive(Default)]
pub struct Fetched {
    /// Refuses the request as a whole.
    pub code: Option<Code>,
    /// 0 for none.
    pub session_id: i32,
    pub topics: Vec<FetchedTopic>,
    pub read_committed: bool,
    /// The room that the records take, until they are written.
    pub held: Option<OwnedSemaphorePermit>,
}

pub struct FetchedTopic {
    pub topic: Arc<TopicRef>,
    pub partitions: Vec<FetchedPartition>,
}

pub struct FetchedPartition {
    pub index: i32,
    pub code: Option<Code>,
    pub ends: Ends,
    pub runs: Vec<Bytes>,
}

impl FetchedPartition {
    fn record_bytes(&self) -> usize {
        self.runs.iter().map(Bytes::len).sum()
    }
}

impl Fetched {
    pub fn refused(code: Code) -> Fetched {
        Fetched {
            code: Some(code),
            ..Fetched::default()
        }
    }
}

impl Respond for Fetched {
    fn respond(self, head: ResponseHead) -> Answer {
        let mut out = Out::new(head);
        out.fields.put_i32(0); // throttle time
        if head.version >= 7 {
            out.fields
                .put_i16(self.code.map_or(NONE, |code| code.code()));
            out.fields.put_i32(self.session_id);
        }
        out.length(self.topics.len());
        for topic in self.topics {
            out.topic(topic, self.read_committed);
        }
        out.no_tagged_fields();
        out.finish(self.held)
    }
}

/// The pieces of a frame so far, and the fields behind them.
struct Out {
    pieces: Vec<Bytes>,
    fields: BytesMut,
    version: i16,
}

impl Out {
    fn new(head: ResponseHead) -> Out {
        let mut fields = BytesMut::with_capacity(256);
        let header_version = i16::from(head.version >= FLEXIBLE_FROM);
        wire::put_head(&mut fields, head, header_version);
        Out {
            pieces: Vec::new(),
            fields,
            version: head.version,
        }
    }

    fn topic(&mut self, topic: FetchedTopic, read_committed: bool) {
        match topic.topic.as_ref() {
            TopicRef::Id(id) => self.fields.put_slice(id.as_bytes()),
            TopicRef::Name(name) => self.string(name),
        }
        self.length(topic.partitions.len());
        for partition in topic.partitions {
            self.partition(partition, read_committed);
        }
        self.no_tagged_fields();
    }

    fn partition(&mut self, partition: FetchedPartition, read_committed: bool) {
        let fields = &mut self.fields;
        fields.put_i32(partition.index);
        fields.put_i16(partition.code.map_or(NONE, |code| code.code()));
        fields.put_i64(partition.ends.high_watermark);
        fields.put_i64(partition.ends.high_watermark); // last stable offset
        if self.version >= 5 {
            fields.put_i64(partition.ends.log_start);
        }
        match read_committed {
            true => self.length(0), // aborted transactions
            false => self.null(),
        }
        if self.version >= 11 {
            self.fields.put_i32(-1); // preferred read replica
        }
        self.records(partition);
        self.no_tagged_fields();
    }

    fn records(&mut self, partition: FetchedPartition) {
        self.length(partition.record_bytes());
        if partition.runs.is_empty() {
            return;
        }
        self.pieces.push(self.fields.split().freeze());
        self.pieces.extend(partition.runs);
    }

    fn string(&mut self, text: &str) {
        if self.version >= FLEXIBLE_FROM {
            self.length(text.len());
        } else {
            // A name that came in a request has at most as many bytes.
            self.fields
                .put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        }
        self.fields.put_slice(text.as_bytes());
    }

    /// The length of an array or of bytes.
    fn length(&mut self, length: usize) {
        if self.version >= FLEXIBLE_FROM {
            return self.unsigned_varint(length + 1);
        }
        // What is longer makes a frame that is refused as a whole.
        self.fields
            .put_i32(i32::try_from(length).unwrap_or(i32::MAX));
    }

    fn null(&mut self) {
        match self.version >= FLEXIBLE_FROM {
            true => self.fields.put_u8(0),
            false => self.fields.put_i32(-1),
        }
    }

    fn unsigned_varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.fields.put_u8((value & 0x7f).to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.fields.put_u8(value.to_le_bytes()[0]);
    }

    fn no_tagged_fields(&mut self) {
        if self.version >= FLEXIBLE_FROM {
            self.fields.put_u8(0);
        }
    }

    fn finish(mut self, held: Option<OwnedSemaphorePermit>) -> Answer {
        self.pieces.push(self.fields.freeze());
        let beyond = self.pieces[1..].iter().map(Bytes::len).sum();
        let mut first = BytesMut::from(self.pieces[0].as_ref());
        if !wire::finish(&mut first, beyond) {
            return Answer::Close;
        }
        self.pieces[0] = first.freeze();
        Answer::Frame {
            pieces: self.pieces,
            held,
        }
    }
}

#[cfg(test)]
mod tests;
