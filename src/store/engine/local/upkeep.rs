//! What goes on behind the producers' backs: checkpoints, spare segments, space given back.

use super::buffers::zero_blocks;
use super::checkpoint::Files;
use super::data::{DataName, DataSegment};
use super::disk::Disk;
use super::room::{Spare, is_full, make_spare};
use super::segment::{LogAt, checkpoint_name};
use super::shared::{Sealed, Shared};
use super::threads::PIECE_BYTES_MAX;
use crate::store::PartitionId;
use bytes::BytesMut;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;

/// Files that are not the writer's any more.
#[derive(Default)]
pub struct Upkeep {
    /// Data segments that readers may still find something in.
    pub data: Vec<Arc<DataSegment>>,
    /// Log segments that are folded, until a checkpoint says so.
    pub folded: Vec<Sealed>,
    /// Where folded segments end of which groups may be in memory, and the partitions in them.
    pub warm: VecDeque<(LogAt, Vec<PartitionId>)>,
    /// Memory to read a segment into, while there is one to fold.
    pub whole: Option<BytesMut>,
    /// How often in a row there was nothing to fold.
    pub idle_looks: u32,
    /// Log segments that were adopted since the newest checkpoint.
    pub adopted: usize,
    /// Log segments that nobody needs once nobody reads them any more.
    pub covered: Vec<Sealed>,
    /// Number of the newest folded segment ever begun.
    pub next_data: u64,
    /// Number of the newest checkpoint, its length, and where the log was then.
    pub checkpoint: u64,
    pub checkpoint_bytes: u64,
    pub checkpoint_at: LogAt,
}

/// What a checkpoint must save for each of its bytes: log to be followed, or space on disk. The
/// state may be large, and writing it all again for every segment would cost more than the log.
const CHECKPOINT_GAIN_MIN: u64 = 4;

impl Upkeep {
    /// A folded segment that is less than half alive.
    pub fn sparse(&self) -> Option<Arc<DataSegment>> {
        self.data.iter().find(|data| data.is_sparse()).cloned()
    }

    /// Whether a checkpoint would shorten the log or give space back, and that is worth its cost.
    pub fn is_due(&self, at: LogAt, is_full: bool) -> bool {
        let dead = self.data.iter().filter(|data| data.live_bytes() == 0);
        let dead: u64 = dead.map(|data| data.bytes).sum();
        let is_of_use = !self.folded.is_empty() || self.adopted > 0 || dead > 0;
        let gain = at.0.saturating_sub(self.checkpoint_at.0) + dead;
        is_of_use && (is_full || gain >= self.checkpoint_bytes * CHECKPOINT_GAIN_MIN)
    }
}

impl Shared {
    /// Writes a checkpoint if that is worth it.
    pub fn checkpoint_if_due(&self) {
        let (at, is_full) = {
            let core = self.core.lock();
            (core.synced, core.is_full)
        };
        let is_due = self.upkeep.lock().is_due(at, is_full);
        if is_due {
            self.checkpoint();
        }
    }

    /// Writes a checkpoint and gives back the space that it makes free. False if the disk is
    /// full, or nothing can be written any more.
    pub fn checkpoint(&self) -> bool {
        let mut upkeep = self.upkeep.lock();
        if self.has_failed() {
            return false;
        }
        let written = self.write_checkpoint(&mut upkeep);
        if let Err(error) = &written {
            self.fail_unless_full("writing a checkpoint", error);
        }
        written.is_ok()
    }

    fn write_checkpoint(&self, upkeep: &mut Upkeep) -> io::Result<()> {
        let disk = self.disk.as_ref();
        // On a full disk a checkpoint is what makes space: spares are given up for it.
        let taken = loop {
            let error = match self.take_checkpoint(upkeep) {
                Ok(taken) => break taken,
                Err(error) => error,
            };
            let given_up = match is_full(&error) {
                true => self.core.lock().room.give_up(),
                false => None,
            };
            disk.remove(&given_up.ok_or(error)?.name)?;
        };
        let before = upkeep.checkpoint;
        upkeep.checkpoint += 1;
        let folded = std::mem::take(&mut upkeep.folded);
        upkeep.covered.extend(folded);
        upkeep.adopted = 0;
        upkeep.checkpoint_bytes = taken.bytes;
        upkeep.checkpoint_at = LogAt(taken.files.durable);
        if before > 0 {
            disk.remove(&checkpoint_name(before))?;
        }
        self.remove_dead(upkeep, &taken.files)?;
        self.recycle(upkeep)
    }

    /// Gives back log segments that were still being read at the last checkpoint.
    pub fn release(&self) {
        let mut upkeep = self.upkeep.lock();
        if self.has_failed() {
            return;
        }
        if let Err(error) = self.recycle(&mut upkeep) {
            self.fail_unless_full("recycling a log segment", &error);
        }
    }

    /// Removes the data segments that the newest checkpoint does without. Whoever reads one
    /// still has it open.
    fn remove_dead(&self, upkeep: &mut Upkeep, files: &Files) -> io::Result<()> {
        let used: HashSet<DataName> = files.data.iter().map(|file| file.name).collect();
        let is_used = |data: &Arc<DataSegment>| used.contains(&data.name);
        let (used, dead): (Vec<_>, Vec<_>) = upkeep.data.drain(..).partition(is_used);
        upkeep.data = used;
        dead.iter()
            .try_for_each(|data| self.disk.remove(&data.name.file()))
    }

    /// Makes spares of the folded log segments that nobody reads.
    fn recycle(&self, upkeep: &mut Upkeep) -> io::Result<()> {
        let is_pinned = |sealed: &Sealed| Arc::strong_count(&sealed.segment) > 1;
        let (pinned, free): (Vec<_>, Vec<_>) = upkeep.covered.drain(..).partition(is_pinned);
        upkeep.covered = pinned;
        let mut spares = Vec::new();
        for Sealed { segment, .. } in free {
            let name = {
                let mut core = self.core.lock();
                let is_wanted = core.room.wants(segment.bytes, spares.len());
                is_wanted.then(|| core.room.new_name())
            };
            let Some(name) = name else {
                self.disk.remove(&segment.name())?;
                continue;
            };
            self.disk.rename(&segment.name(), &name)?;
            spares.push(Spare {
                name,
                file: segment.file.clone(),
                bytes: segment.bytes,
                is_written: true,
            });
        }
        if spares.is_empty() {
            return Ok(());
        }
        // Before its header is written again the file must have lost its old name for good.
        self.disk.sync_directory()?;
        let mut core = self.core.lock();
        spares.into_iter().for_each(|spare| core.room.add(spare));
        Ok(())
    }

    /// Makes the next segment before it is needed; false if none is due or there is no space.
    pub fn prepare(&self) -> bool {
        let is_half_full = self.writer.lock().is_half_full();
        let due = {
            let mut core = self.core.lock();
            let is_due = core.failed.is_none() && is_half_full && core.room.is_short();
            is_due.then(|| {
                let (name, bytes) = (core.room.new_name(), core.room.segment_bytes());
                (name, bytes, core.needs_zeros)
            })
        };
        let Some((name, bytes, needs_zeros)) = due else {
            return false;
        };
        let made = match needs_zeros {
            true => zero_filled(self.disk.as_ref(), name, bytes, || self.pace_filling()),
            false => make_spare(self.disk.as_ref(), name, bytes),
        };
        match made {
            Ok(spare) => self.core.lock().room.add(spare),
            Err(error) => {
                self.fail_unless_full("preparing a log segment", &error);
                return false;
            }
        }
        true
    }

    /// Makes everything durable that was queued before.
    pub fn flush(&self) {
        while self.write_queued() {}
        self.sync_written();
    }

    /// The last things an engine does.
    pub fn finish(&self) {
        self.flush();
        self.checkpoint();
        self.progress
            .send_modify(|progress| progress.has_stopped = true);
    }
}

/// A segment whose blocks are all written already, so that syncs need not note new ones.
fn zero_filled(
    disk: &dyn Disk,
    name: String,
    bytes: u64,
    pace: impl Fn() -> usize,
) -> io::Result<Spare> {
    let spare = make_spare(disk, name, bytes)?;
    let zeros = zero_blocks(PIECE_BYTES_MAX);
    let fill = || -> io::Result<()> {
        let mut at = 0;
        while at < bytes {
            let length = (bytes - at).min(pace() as u64);
            spare.file.write_blocks_at(
                at,
                &zeros[..usize::try_from(length).map_err(io::Error::other)?],
            )?;
            at += length;
        }
        spare.file.sync()
    };
    if let Err(error) = fill() {
        // It is of no use; if it cannot be removed either, the next start does.
        let _ = disk.remove(&spare.name);
        return Err(error);
    }
    Ok(Spare {
        is_written: true,
        ..spare
    })
}
