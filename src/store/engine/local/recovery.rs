//! Opening a directory: the newest checkpoint, then the log from there to its end.
//!
//! The end is the first place without a valid frame. What lies behind it decides what that means:
//! a frame written when more was durable proves damage, otherwise the tail was never acknowledged
//! and is cut (design §6).
//!
//! Only tables are read: where a later frame or the checkpoint proves that a frame was durable, its
//! batches need no look before somebody asks for them. Those of the last few frames are judged.

use super::checkpoint::Checkpoint;
use super::disk::{Disk, Open};
use super::frame::{self, Decoded, FrameHeader};
use super::index::Index;
use super::segment::{BLOCK_BYTES, LogAt, Segment, SegmentHeader, number_in};
use super::settings::OpenError;
use super::shared::Sealed;
use crate::store::engine::sequencer::{Appended, Sequencer};
use crate::store::{PartitionId, Position};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

/// Bytes examined at once behind the end of the log.
const SCAN_BYTES: u64 = 1 << 20;
/// Frames from this size on are read table by table.
const SMALL_FRAME_BYTES: u64 = 128 << 10;
/// Bytes read for the table of one.
const LARGE_AHEAD_BYTES: u64 = 32 << 10;

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
    covered: Position,
    /// What the checkpoint holds of a partition contains effects up to here.
    known: HashMap<PartitionId, Position>,
    /// All of the log before this place is proved to have been durable.
    proven: LogAt,
    pending: VecDeque<Pending>,
}

/// Why following stopped in a segment.
enum Next {
    /// No block is left in it.
    Full,
    Frame(FrameHeader, Decoded),
    /// What is there instead of a frame.
    Bad(&'static str),
}

/// A frame whose table is whole, and of whose batches that is not known yet.
struct Pending {
    /// Which of the segments it is in.
    here: usize,
    header: FrameHeader,
    end: LogAt,
    decoded: Decoded,
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
    /// What a checkpoint and the data segments amount to.
    pub fn from(checkpoint: &mut Checkpoint, index: Index) -> Followed {
        let sequencer = std::mem::take(&mut checkpoint.sequencer);
        Followed {
            index,
            at: checkpoint.files.start(),
            crc: checkpoint.files.predecessor_crc,
            sealed: Vec::new(),
            covered: sequencer.last(),
            sequencer,
            known: std::mem::take(&mut checkpoint.known),
            proven: LogAt(checkpoint.files.durable),
            pending: VecDeque::new(),
        }
    }

    /// Follows the log through `segments`, of which the first holds the place to start at.
    /// Answers with the segments behind its end, which hold nothing that was acknowledged.
    pub fn follow(&mut self, segments: &[Arc<Segment>]) -> Result<Vec<Arc<Segment>>, OpenError> {
        let Some(first) = segments.first() else {
            return Ok(Vec::new());
        };
        if first.header.start != self.at || first.header.predecessor_crc != self.crc {
            let what = format!("the log should go on at {} here", self.at);
            return Err(OpenError::damaged(&first.name(), 0, &what));
        }
        let mut here = 0;
        let mut window = Window::default();
        let mut what = loop {
            if let Some(next) = segments.get(here + 1)
                && next.header.start == self.at
                && next.header.predecessor_crc == self.crc
            {
                self.leave(&segments[here]);
                here += 1;
                continue;
            }
            match self.next(&segments[here], &mut window)? {
                Next::Frame(header, decoded) => self.pass(here, header, decoded, segments),
                Next::Full => break "the log goes on nowhere",
                Next::Bad(what) => break what,
            }
        };
        self.leave(&segments[here]);
        if let Some((cut, bad)) = self.judge_rest(segments)? {
            (here, what) = (cut, bad);
        }
        self.require_torn(&segments[here..], what)?;
        Ok(segments[here + 1..].to_vec())
    }

    fn leave(&mut self, segment: &Arc<Segment>) {
        self.sealed.push(Sealed {
            segment: segment.clone(),
            end: self.at,
        });
    }

    /// Goes past a frame, and takes those that it proves to have been durable.
    fn pass(
        &mut self,
        here: usize,
        header: FrameHeader,
        decoded: Decoded,
        segments: &[Arc<Segment>],
    ) {
        let bytes = header.frame_bytes().expect("it was found to fit");
        let end = LogAt(self.at.0 + bytes);
        (self.at, self.crc) = (end, header.crc);
        self.proven = self.proven.max(header.place.durable);
        self.pending.push_back(Pending {
            here,
            header,
            end,
            decoded,
        });
        let proven = self.proven;
        while let Some(frame) = self.pending.pop_front_if(|frame| frame.end <= proven) {
            self.take(&segments[frame.here], frame);
        }
    }

    /// Takes the frames at the end whose batches are whole. Answers where the log is cut if one
    /// is not: in which segment, and why.
    fn judge_rest(
        &mut self,
        segments: &[Arc<Segment>],
    ) -> Result<Option<(usize, &'static str)>, OpenError> {
        for frame in std::mem::take(&mut self.pending) {
            let (segment, at) = (&segments[frame.here], frame.header.place.at);
            let bytes = read(segment, segment.file_at(at), frame.end.0 - at.0)?;
            if let Err(what) = frame.decoded.check(&bytes) {
                (self.at, self.crc) = (at, frame.header.place.predecessor_crc);
                // The segments behind hold nothing of the log any more.
                self.sealed.truncate(frame.here + 1);
                let last = self.sealed.last_mut().expect("it was left");
                last.end = at;
                return Ok(Some((frame.here, what)));
            }
            self.take(segment, frame);
        }
        Ok(None)
    }

    fn take(&mut self, segment: &Arc<Segment>, frame: Pending) {
        let mut changes = Vec::new();
        for commit in frame.decoded.commits {
            if commit.position <= self.covered {
                continue;
            }
            for entry in commit.entries {
                match entry.append() {
                    Some(append) => self.append(commit.position, append.appended()),
                    None => {
                        let change = entry.into_change().expect("it is no append");
                        self.sequencer.apply(commit.position, &change);
                        changes.push(change);
                    }
                }
            }
        }
        let at = frame.header.place.at;
        self.index.show(at, segment, frame.decoded.runs, &changes);
    }

    fn append(&mut self, position: Position, mut appended: Appended) {
        let known = self.known.get(&appended.named);
        // Everything else says how things are then, and may be said again.
        appended
            .producer
            .take_if(|_| known.is_some_and(|known| position <= *known));
        self.sequencer.replay_append(position, &appended);
    }

    fn next(&self, segment: &Arc<Segment>, window: &mut Window) -> Result<Next, OpenError> {
        let file_at = segment.file_at(self.at);
        if file_at + BLOCK_BYTES > segment.bytes {
            return Ok(Next::Full);
        }
        let block = window.read(segment, file_at, BLOCK_BYTES)?;
        let Some(header) = FrameHeader::decode(block) else {
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
        let bytes = window.read(segment, file_at, header.covered_bytes())?;
        if !header.covers(bytes) {
            return Ok(Next::Bad("a frame's table"));
        }
        let decoded = frame::decode(&header, bytes);
        window.expect(frame_bytes);
        Ok(match decoded {
            Err(what) => Next::Bad(what),
            Ok(decoded) => Next::Frame(header, decoded),
        })
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

/// The bytes of a segment around what was read last: of small frames many at a time, of large
/// ones little more than the table.
#[derive(Default)]
struct Window {
    sequence: u64,
    at: u64,
    bytes: Vec<u8>,
    /// Bytes to be read at least.
    ahead: u64,
}

impl Window {
    fn read(&mut self, segment: &Segment, at: u64, length: u64) -> Result<&[u8], OpenError> {
        let end = self.at + self.bytes.len() as u64;
        let is_there = self.sequence == segment.header.sequence;
        if !is_there || at < self.at || at + length > end {
            let length = length.max(self.ahead).min(segment.bytes - at);
            self.bytes = read(segment, at, length)?;
            (self.sequence, self.at) = (segment.header.sequence, at);
        }
        let start = usize::try_from(at - self.at).unwrap_or(usize::MAX);
        let end = start + usize::try_from(length).unwrap_or(usize::MAX);
        Ok(&self.bytes[start..end])
    }

    /// The next frame will be about as large as this one.
    fn expect(&mut self, frame_bytes: u64) {
        self.ahead = match frame_bytes < SMALL_FRAME_BYTES {
            true => SCAN_BYTES,
            false => LARGE_AHEAD_BYTES,
        };
    }
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
