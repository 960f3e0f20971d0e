//! Opening a directory: the newest checkpoint, then the log from there to its end.
//!
//! The end is the first place without a valid frame. What lies behind it decides what that means:
//! a frame written when more was durable proves damage, otherwise the tail was never acknowledged
//! and is cut (design §6).

use super::buffers::Filled;
use super::disk::{Disk, Open};
use super::frame::{self, Committed, FrameHeader};
use super::index::{Group, Index};
use super::segment::{BLOCK_BYTES, LogAt, Segment, SegmentHeader, number_in};
use super::settings::OpenError;
use super::shared::Sealed;
use crate::store::engine::sequencer::{Effect, Sequencer};
use crate::store::{PartitionId, Position};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Bytes examined at once behind the end of the log.
const SCAN_BYTES: u64 = 1 << 20;

/// The log as it is being followed, and what it amounts to.
pub struct Followed {
    pub sequencer: Sequencer,
    pub index: Index,
    /// Place of the next frame.
    pub at: LogAt,
    /// Checksum of the frame before it.
    pub crc: u32,
    /// The segments followed, each with where it ends.
    pub sealed: Vec<Sealed>,
    /// Effects up to here came with the checkpoint.
    pub covered: Position,
    /// What the checkpoint holds of a partition contains effects up to here.
    pub known: HashMap<PartitionId, Position>,
}

/// Why following stopped in a segment.
enum Next {
    /// No block is left in it.
    Full,
    Frame(Vec<Committed>, Group),
    /// What is there instead of a frame.
    Bad(&'static str),
}

/// The segments of the log from `first` on, by sequence.
pub fn list_segments(
    disk: &dyn Disk,
    names: &[String],
    first: u64,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut segments = Vec::new();
    for name in names {
        let sequence = number_in(name, "log").filter(|sequence| *sequence >= first);
        let Some(sequence) = sequence else {
            continue;
        };
        let read = || -> io::Result<_> {
            let file = disk.open(name, Open::Existing)?;
            let bytes = file.len()?;
            let mut block = vec![0; bytes.min(BLOCK_BYTES) as usize];
            file.read_at(0, &mut block)?;
            Ok((file, bytes, block))
        };
        let (file, bytes, block) = read().map_err(OpenError::disk(format!("reading {name}")))?;
        let header =
            SegmentHeader::decode(&block).map_err(|error| OpenError::header(name, error))?;
        if header.sequence != sequence {
            return Err(OpenError::damaged(name, 0, "another segment's header"));
        }
        segments.push(Arc::new(Segment {
            header,
            file,
            bytes,
        }));
    }
    segments.sort_by_key(|segment| segment.header.sequence);
    Ok(segments)
}

impl Followed {
    /// Follows the log through `segments`, of which the first holds the place to start at.
    /// Answers with the segments behind its end, which hold nothing that was acknowledged.
    pub fn follow(&mut self, segments: &[Arc<Segment>]) -> Result<Vec<Arc<Segment>>, OpenError> {
        let mut rest = segments.iter().enumerate();
        let Some((mut here, mut segment)) = rest.next() else {
            return Ok(Vec::new());
        };
        if segment.header.start != self.at || segment.header.predecessor_crc != self.crc {
            let what = format!("the log should go on at {} here", self.at);
            return Err(OpenError::damaged(&segment.name(), 0, &what));
        }
        loop {
            if let Some(next) = segments.get(here + 1)
                && next.header.start == self.at
                && next.header.predecessor_crc == self.crc
            {
                self.leave(segment);
                (here, segment) = (here + 1, next);
                continue;
            }
            let what = match self.next(segment)? {
                Next::Frame(commits, group) => {
                    self.take(commits, group);
                    continue;
                }
                Next::Full => "the log goes on nowhere",
                Next::Bad(what) => what,
            };
            self.leave(segment);
            self.require_torn(&segments[here..], what)?;
            return Ok(segments[here + 1..].to_vec());
        }
    }

    fn leave(&mut self, segment: &Arc<Segment>) {
        self.sealed.push(Sealed {
            segment: segment.clone(),
            end: self.at,
        });
    }

    fn take(&mut self, mut commits: Vec<Committed>, mut group: Group) {
        self.at = LogAt(self.at.0 + group.filled.bytes.len() as u64);
        commits.retain(|commit| commit.position > self.covered);
        for commit in &commits {
            for effect in &commit.effects {
                self.apply(commit.position, effect);
            }
        }
        group.changes = frame::changes(commits);
        self.index.publish(group);
    }

    fn apply(&mut self, position: Position, effect: &Effect) {
        let Effect::Append(placement) = effect else {
            self.sequencer.apply(position, effect);
            return;
        };
        let mut appended = placement.appended();
        // Everything else says how things are then, and may be said again.
        let known = self.known.get(&appended.named);
        appended
            .producer
            .take_if(|_| known.is_some_and(|known| position <= *known));
        self.sequencer.replay_append(position, &appended);
    }

    fn next(&mut self, segment: &Arc<Segment>) -> Result<Next, OpenError> {
        let file_at = segment.file_at(self.at);
        if file_at + BLOCK_BYTES > segment.bytes {
            return Ok(Next::Full);
        }
        let block = read(segment, file_at, BLOCK_BYTES)?;
        let Some(header) = FrameHeader::decode(&block) else {
            return Ok(Next::Bad("no frame"));
        };
        let place = header.place;
        if place.salt != segment.header.salt
            || place.at != self.at
            || place.predecessor_crc != self.crc
        {
            return Ok(Next::Bad("a frame of another place"));
        }
        let room = segment.bytes - file_at;
        let Some(frame_bytes) = header.frame_bytes().filter(|bytes| *bytes <= room) else {
            return Ok(Next::Bad("a frame without end"));
        };
        let filled = Filled::from(read(segment, file_at, frame_bytes)?);
        if !header.covers(&filled.bytes) {
            return Ok(Next::Bad("a frame's table"));
        }
        match frame::decode(&header, &filled.bytes) {
            Err(what) => Ok(Next::Bad(what)),
            Ok(decoded) => {
                self.crc = header.crc;
                let group = Group {
                    at: self.at,
                    filled,
                    segment: segment.clone(),
                    runs: decoded.runs,
                    changes: Vec::new(),
                };
                Ok(Next::Frame(decoded.commits, group))
            }
        }
    }

    /// Looks through everything behind the end for a frame that was written when more than this
    /// was durable.
    fn require_torn(&self, segments: &[Arc<Segment>], what: &str) -> Result<(), OpenError> {
        let (last, later) = segments.split_first().expect("the log ends in a segment");
        let end = last.file_at(self.at);
        let mut proven = newest_durable(last, end.min(last.bytes))?;
        for segment in later {
            proven = proven.max(newest_durable(segment, BLOCK_BYTES)?);
        }
        if proven <= self.at {
            return Ok(());
        }
        let what = format!(
            "{what}, though the log was durable up to {proven}, not {}",
            self.at
        );
        Err(OpenError::damaged(&last.name(), end, &what))
    }
}

/// The largest durable place that any frame from `from` on in the segment speaks of.
fn newest_durable(segment: &Segment, from: u64) -> Result<LogAt, OpenError> {
    let mut newest = LogAt(0);
    let mut at = from;
    while at + BLOCK_BYTES <= segment.bytes {
        let length = SCAN_BYTES.min(segment.bytes - at) / BLOCK_BYTES * BLOCK_BYTES;
        let bytes = read(segment, at, length)?;
        for (block, block_at) in bytes.chunks(BLOCK_BYTES as usize).zip((at..).step_by(4096)) {
            let Some(header) = FrameHeader::decode(block) else {
                continue;
            };
            let is_news = header.place.salt == segment.header.salt && header.place.durable > newest;
            let room = segment.bytes - block_at;
            if !is_news || header.covered_bytes() > room {
                continue;
            }
            if header.covers(&read(segment, block_at, header.covered_bytes())?) {
                newest = header.place.durable;
            }
        }
        at += length;
    }
    Ok(newest)
}

fn read(segment: &Segment, at: u64, length: u64) -> Result<Vec<u8>, OpenError> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let doing = || format!("reading {} at byte {at}", segment.name());
    segment
        .file
        .read_at(at, &mut bytes)
        .map_err(OpenError::disk(doing()))?;
    Ok(bytes)
}
