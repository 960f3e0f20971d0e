//! The writer's side of the log: groups become frames, segments follow one another, syncs make
//! groups durable and then visible.

use super::assemble;
use super::buffers::Buffers;
use super::disk::Disk;
use super::frame::{self, Place};
use super::index::Group;
use super::room::{Need, Spare};
use super::segment::{BLOCK_BYTES, LogAt, Segment, SegmentHeader};
use super::shared::{Core, News, Queued, Sealed, Shared, Written};
use super::zeros::Zeros;
use crate::config::Durability;
use crate::store::Position;
use std::io;
use std::sync::Arc;

/// Where the next frame goes.
pub struct Writer {
    /// `None` until the first frame since the start: what was there before is never written to.
    pub segment: Option<Arc<Segment>>,
    /// Place in the log of the next frame.
    pub at: LogAt,
    /// Checksum of the frame before it.
    pub crc: u32,
    /// What the newest frame says about durability.
    pub recorded: LogAt,
    /// End of the newest frame that holds anything.
    pub filled: LogAt,
    pub next_sequence: u64,
    /// Size of segments to come.
    pub segment_bytes: u64,
    pub buffers: Buffers,
    pub zeros: Zeros,
}

impl Writer {
    /// What frames may still take in the segment.
    pub fn left(&self) -> u64 {
        let left = |segment: &Arc<Segment>| segment.bytes - segment.file_at(self.at);
        self.segment.as_ref().map_or(0, left)
    }

    /// Whether the next segment should be ready by now: half of one ahead, but not for a server
    /// that nobody has written to.
    pub fn is_half_full(&self) -> bool {
        self.segment.is_some() && self.left() < self.segment_bytes / 2
    }

    /// Whether the next segment is needed soon.
    pub fn is_nearly_full(&self) -> bool {
        let bytes = self.segment.as_ref().map_or(0, |segment| segment.bytes);
        self.left() < bytes / 4
    }

    /// What the next segment's header will say, but for the salt.
    pub fn next_header(&self) -> SegmentHeader {
        SegmentHeader {
            sequence: self.next_sequence,
            salt: 0,
            start: self.at,
            predecessor_crc: self.crc,
        }
    }

    /// Goes on in another file. When this returns the log continues there for good.
    fn enter(&mut self, disk: &dyn Disk, spare: Spare) -> io::Result<Option<Sealed>> {
        let header = SegmentHeader {
            salt: new_salt(),
            ..self.next_header()
        };
        self.zeros.enter(spare.written_to());
        let entered = start_segment(disk, spare, header)?;
        self.next_sequence += 1;
        let left = self.segment.replace(Arc::new(entered));
        let end = self.at;
        Ok(left.map(|segment| Sealed { segment, end }))
    }
}

/// Makes a spare file the segment that `header` describes. Nothing in it can be acknowledged
/// before its header is on disk under its name.
pub fn start_segment(disk: &dyn Disk, spare: Spare, header: SegmentHeader) -> io::Result<Segment> {
    spare.file.write_at(0, &header.encode())?;
    spare.file.sync()?;
    let segment = Segment {
        header,
        file: spare.file,
        bytes: spare.bytes,
    };
    disk.rename(&spare.name, &segment.name())?;
    disk.sync_directory()?;
    Ok(segment)
}

/// Unguessable, so that no client can write what looks like a frame.
pub fn new_salt() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// What the writer took from the queue.
struct Taken {
    queued: Vec<Queued>,
    /// The file to go on in, if the current one has no room.
    spare: Option<Spare>,
    synced: LogAt,
}

impl Shared {
    /// Writes one group of what is queued; false if there was nothing to write.
    pub fn write_queued(&self) -> bool {
        let mut writer = self.writer.lock();
        let Some(taken) = self
            .core
            .lock()
            .take_group(&writer, self.settings.group_bytes_max)
        else {
            return false;
        };
        let mut news = News {
            groups: Vec::new(),
            last: None,
            waiting: Vec::with_capacity(taken.queued.len()),
            bytes: 0,
        };
        let mut commits = Vec::new();
        for queued in taken.queued {
            news.bytes += queued.bytes;
            news.waiting.push(queued.waiting);
            commits.extend(queued.commits);
        }
        news.last = commits.last().map(|commit| commit.position);
        if commits.is_empty() {
            self.hand_over(&writer, None, Some(news));
            return true;
        }
        let written = self
            .enter_if_needed(&mut writer, taken.spare)
            .and_then(|()| self.write_frames(&mut writer, assemble::divide(commits), taken.synced));
        match written {
            Ok(groups) => {
                news.groups = groups;
                self.hand_over(&writer, writer.segment.clone(), Some(news));
            }
            Err(error) => {
                let error = self.fail(&format!("writing the log: {error}"));
                news.waiting
                    .into_iter()
                    .for_each(|waiting| waiting.fail(error.clone()));
            }
        }
        true
    }

    /// Records that all is durable in an empty frame, if nothing on disk says so yet.
    pub fn record_idle(&self) -> bool {
        let mut writer = self.writer.lock();
        let Some(taken) = self.core.lock().take_block(&writer) else {
            return false;
        };
        let filled = writer.filled;
        let written = self
            .enter_if_needed(&mut writer, taken.spare)
            .and_then(|()| self.write_frames(&mut writer, vec![Vec::new()], taken.synced));
        match written {
            Ok(_) => {
                writer.filled = filled;
                self.hand_over(&writer, writer.segment.clone(), None);
            }
            Err(error) => drop(self.fail(&format!("writing the log: {error}"))),
        }
        true
    }

    fn enter_if_needed(&self, writer: &mut Writer, spare: Option<Spare>) -> io::Result<()> {
        let Some(spare) = spare else {
            return Ok(());
        };
        let sealed = writer.enter(self.disk.as_ref(), spare)?;
        self.core.lock().sealed.extend(sealed);
        self.to_tidy.notify_one();
        Ok(())
    }

    /// Writes frames, each of some commits, one behind the other.
    fn write_frames(
        &self,
        writer: &mut Writer,
        frames: Vec<Vec<frame::Committed>>,
        synced: LogAt,
    ) -> io::Result<Vec<Group>> {
        let segment = writer.segment.clone();
        let segment = segment.expect("a segment was entered before anything is written");
        let mut groups = Vec::with_capacity(frames.len());
        let (mut at, mut crc) = (writer.at, writer.crc);
        for commits in frames {
            let place = Place {
                salt: segment.header.salt,
                at,
                durable: synced,
                first: commits.first().map_or(Position(0), |first| first.position),
                predecessor_crc: crc,
            };
            let encoded = assemble::frame(place, commits, &mut writer.buffers);
            at = LogAt(at.0 + encoded.filled.bytes.len() as u64);
            crc = encoded.crc;
            groups.push(Group {
                at: place.at,
                filled: encoded.filled,
                segment: segment.clone(),
                runs: encoded.runs,
                changes: encoded.changes,
            });
        }
        if self.has_failed() {
            return Err(io::Error::other("the log has failed"));
        }
        let takes = segment.file_at(writer.at)..segment.file_at(at);
        let file_at = takes.start;
        let zeros = writer.zeros.behind(takes, segment.bytes);
        let filled = groups.iter().map(|group| &group.filled.bytes[..]);
        let pieces: Vec<&[u8]> = filled.chain(zeros).collect();
        segment.file.write_pieces_at(file_at, &pieces)?;
        writer.at = at;
        writer.crc = crc;
        writer.recorded = synced;
        writer.filled = at;
        Ok(groups)
    }

    /// Leaves a written group to the sync; if acknowledgements need not wait for that, its news
    /// is told at once.
    fn hand_over(&self, writer: &Writer, segment: Option<Arc<Segment>>, news: Option<News>) {
        let mut news = news;
        if self.settings.durability == Durability::Os
            && let Some(news) = news.take()
        {
            self.publish(news);
        }
        let mut core = self.core.lock();
        if core.queue.is_empty() {
            core.room.settle(writer.left());
        }
        if let Some(error) = core.failed.clone() {
            drop(core);
            let waiting = news.into_iter().flat_map(|news| news.waiting);
            waiting.for_each(|waiting| waiting.fail(error.clone()));
            return;
        }
        if segment.is_some() || news.is_some() {
            core.written.push(Written {
                segment,
                end: writer.at,
                news,
            });
        }
        let is_short = writer.is_half_full() && core.room.is_short();
        drop(core);
        if is_short {
            self.to_prepare.notify_one();
        }
    }

    /// Syncs what is written and makes it visible; false if there was nothing to sync.
    pub fn sync_written(&self) -> bool {
        let _one_at_a_time = self.syncing.lock();
        let (written, is_awaited) = {
            let mut core = self.core.lock();
            (std::mem::take(&mut core.written), !core.queue.is_empty())
        };
        let Some(end) = written.last().map(|written| written.end) else {
            return false;
        };
        if is_awaited {
            self.to_write.notify_one();
        }
        let segments = written
            .iter()
            .filter_map(|written| written.segment.as_ref());
        if let Err(error) = sync_each(segments) {
            let error = self.fail(&format!("syncing the log: {error}"));
            let news = written.into_iter().filter_map(|written| written.news);
            let waiting = news.flat_map(|news| news.waiting);
            waiting.for_each(|waiting| waiting.fail(error.clone()));
            return true;
        }
        for written in written {
            if let Some(news) = written.news {
                self.publish(news);
            }
        }
        // Only now: what is folded must have been published before.
        self.core.lock().synced = end;
        true
    }

    /// Shows a group to readers, then to those who wait for it.
    fn publish(&self, news: News) {
        let touched = self.index.lock().publish(news.groups, self.clock.instant());
        let mut core = self.core.lock();
        let bytes = usize::try_from(news.bytes).unwrap_or(usize::MAX);
        core.queued_bytes = core.queued_bytes.saturating_sub(bytes);
        core.pending = core.pending.saturating_sub(news.waiting.len());
        drop(core);
        self.progress.send_modify(|progress| {
            progress.durable = progress.durable.max(news.last.unwrap_or_default());
        });
        self.watchers.wake(touched);
        news.waiting
            .into_iter()
            .for_each(|waiting| waiting.answer());
    }
}

impl Core {
    /// Takes the room of an empty frame, if the log is idle and one is due.
    fn take_block(&mut self, writer: &Writer) -> Option<Taken> {
        let is_idle = self.queue.is_empty() && self.written.is_empty() && self.pending == 0;
        let is_due = writer.recorded < writer.filled && self.synced >= writer.filled;
        if self.failed.is_some() || !is_idle || !is_due {
            return None;
        }
        let mut spare = None;
        if !self.room.take_block() {
            // Only before the first frame since the start is a segment begun for this.
            if writer.segment.is_some() || self.room.plan(BLOCK_BYTES, Need::State).is_err() {
                return None;
            }
            spare = self.room.next_segment(BLOCK_BYTES);
        }
        Some(Taken {
            queued: Vec::new(),
            spare,
            synced: self.synced,
        })
    }

    /// Takes as many queued commits as make one group in the current segment, at least one.
    fn take_group(&mut self, writer: &Writer, bytes_max: u64) -> Option<Taken> {
        if self.failed.is_some() {
            return None;
        }
        let first = self.queue.front()?;
        let mut left = writer.left();
        let mut spare = None;
        if first.bytes > left {
            let next = self.room.next_segment(first.bytes);
            let next = next.expect("room was made before the commit was sequenced");
            left = next.capacity();
            spare = Some(next);
        }
        let mut bytes = 0;
        let mut queued = Vec::new();
        while let Some(next) = self.queue.front() {
            let whole = bytes + next.bytes;
            if whole > left || (whole > bytes_max && !queued.is_empty()) {
                break;
            }
            bytes = whole;
            queued.extend(self.queue.pop_front());
        }
        self.had_company = queued.len() > 1;
        Some(Taken {
            queued,
            spare,
            synced: self.synced,
        })
    }
}

fn sync_each<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>) -> io::Result<()> {
    let mut synced: Option<&Arc<Segment>> = None;
    for segment in segments {
        if synced.is_none_or(|last| !Arc::ptr_eq(last, segment)) {
            segment.file.sync()?;
            synced = Some(segment);
        }
    }
    Ok(())
}
