//! Room in the log: whatever is sequenced has its space on disk first, so that a full disk
//! refuses and never breaks.

use super::disk::{Disk, DiskFile, Open};
use super::segment::{BLOCK_BYTES, round_up_to_block, spare_name};
use super::settings::LocalSettings;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Space set aside for what makes space: with the disk full, deletes still go into the log.
pub const RESERVE_BYTES: u64 = 1 << 20;

/// A file that is ready to become a log segment.
pub struct Spare {
    pub name: String,
    pub file: Arc<dyn DiskFile>,
    pub bytes: u64,
    /// Whether its blocks are known to have been written before.
    pub is_written: bool,
}

impl Spare {
    /// What frames may take in it.
    pub fn capacity(&self) -> u64 {
        self.bytes - BLOCK_BYTES
    }

    /// How far its blocks have been written by the time frames go into it.
    pub fn written_to(&self) -> u64 {
        match self.is_written {
            true => self.bytes,
            false => BLOCK_BYTES,
        }
    }
}

/// Who asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Records: refused while the disk is full.
    Append,
    /// A change of state, which may use the reserve.
    State,
}

/// The segments ahead of the writer, and how far the queued commits will fill them.
///
/// The plan puts every commit into a frame of its own, in order. The writer groups commits, so
/// it is never further than the plan.
pub struct Room {
    disk: Arc<dyn Disk>,
    /// Size of the next segment to be made; the first one of a new directory is smaller.
    next_bytes: u64,
    segment_bytes: u64,
    /// In the order of use.
    spares: VecDeque<Spare>,
    /// Spares at the front that the plan has reached.
    entered: usize,
    /// What the plan leaves of the last segment it has reached.
    left: u64,
    reserve: Option<Spare>,
    next_number: u64,
}

/// A state of the plan to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    entered: usize,
    left: u64,
}

impl Room {
    pub fn new(
        disk: Arc<dyn Disk>,
        settings: &LocalSettings,
        spares: VecDeque<Spare>,
        next_number: u64,
    ) -> Room {
        let whole = |bytes| round_up_to_block(bytes).max(2 * BLOCK_BYTES);
        Room {
            disk,
            next_bytes: whole(settings.first_segment_bytes),
            segment_bytes: whole(settings.log_segment_bytes),
            spares,
            entered: 0,
            left: 0,
            reserve: None,
            next_number,
        }
    }

    /// Plans room for `bytes` in one piece, and makes it if need be.
    pub fn plan(&mut self, bytes: u64, need: Need) -> io::Result<()> {
        if self.reserve.is_none() {
            match self.take_or_make(RESERVE_BYTES.min(self.segment_bytes)) {
                Ok(reserve) => self.reserve = Some(reserve),
                // What does not need it yet goes on without it.
                Err(error) if is_full(&error) && need == Need::State => {}
                Err(error) => return Err(error),
            }
        }
        if bytes <= self.left {
            self.left -= bytes;
            return Ok(());
        }
        let mut ahead = self.spares.iter().skip(self.entered);
        let spare = match ahead.position(|spare| spare.capacity() >= bytes) {
            Some(at) => self
                .spares
                .remove(self.entered + at)
                .expect("position() found it"),
            None => self.make_or_use_reserve(bytes, need)?,
        };
        self.left = spare.capacity() - bytes;
        self.spares.insert(self.entered, spare);
        self.entered += 1;
        Ok(())
    }

    fn take_or_make(&mut self, bytes: u64) -> io::Result<Spare> {
        let mut ahead = self.spares.iter().skip(self.entered);
        match ahead.position(|spare| spare.bytes == bytes) {
            Some(at) => Ok(self
                .spares
                .remove(self.entered + at)
                .expect("position() found it")),
            None => self.make(bytes),
        }
    }

    fn make_or_use_reserve(&mut self, bytes: u64, need: Need) -> io::Result<Spare> {
        let needed = round_up_to_block(bytes) + BLOCK_BYTES;
        let made = self.make(self.next_bytes.max(needed));
        if made.is_ok() {
            self.next_bytes = self.segment_bytes;
        }
        match made {
            Err(error) if is_full(&error) && need == Need::State => {
                let reserve = self.reserve.take_if(|spare| spare.capacity() >= bytes);
                reserve.ok_or(error)
            }
            made => made,
        }
    }

    pub fn mark(&self) -> Mark {
        Mark {
            entered: self.entered,
            left: self.left,
        }
    }

    /// Takes back what was planned since; segments made for it stay as spares.
    pub fn return_to(&mut self, mark: Mark) {
        self.entered = mark.entered;
        self.left = mark.left;
    }

    /// The segment that the writer goes on in with a frame of `bytes`.
    pub fn next_segment(&mut self, bytes: u64) -> Option<Spare> {
        let found = self
            .spares
            .iter()
            .position(|spare| spare.capacity() >= bytes)?;
        if found < self.entered {
            self.entered -= 1;
        }
        self.spares.remove(found)
    }

    /// Nothing is queued: the plan is where the writer is.
    pub fn settle(&mut self, left: u64) {
        self.entered = 0;
        self.left = left;
    }

    /// Takes a block without making room for it.
    pub fn take_block(&mut self) -> bool {
        let fits = self.left >= BLOCK_BYTES;
        if fits {
            self.left -= BLOCK_BYTES;
        }
        fits
    }

    /// Whether a segment should be made before it is needed.
    pub fn is_short(&self) -> bool {
        let whole = |spare: &Spare| spare.bytes == self.segment_bytes;
        let ahead = self.spares.iter().skip(self.entered);
        ahead.filter(|spare| whole(spare)).count() == 0
    }

    /// Whether a file of this length may come back as a spare, besides `coming` others.
    pub fn wants(&self, bytes: u64, coming: usize) -> bool {
        let ahead = self.spares.len() - self.entered + coming;
        bytes == self.segment_bytes && ahead < SPARES_MAX
    }

    /// Lets go of a spare that nothing is planned in, the reserve last.
    pub fn give_up(&mut self) -> Option<Spare> {
        if self.spares.len() > self.entered {
            return self.spares.pop_back();
        }
        self.reserve.take()
    }

    pub fn add(&mut self, spare: Spare) {
        self.spares.push_back(spare);
    }

    /// A name that no spare has.
    pub fn new_name(&mut self) -> String {
        self.next_number += 1;
        spare_name(self.next_number)
    }

    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// A new segment whose space is certain; its blocks are not zero-filled.
    fn make(&mut self, bytes: u64) -> io::Result<Spare> {
        let name = self.new_name();
        make_spare(self.disk.as_ref(), name, bytes)
    }
}

/// Spares kept; further ones give their space back.
const SPARES_MAX: usize = 2;

/// Makes a file whose space is certain.
pub fn make_spare(disk: &dyn Disk, name: String, bytes: u64) -> io::Result<Spare> {
    let file = disk.open_for_blocks(&name, Open::New)?;
    if let Err(error) = file.allocate(bytes) {
        drop(file);
        // It is of no use; if it cannot be removed either, the next start does.
        let _ = disk.remove(&name);
        return Err(error);
    }
    Ok(Spare {
        name,
        file,
        bytes,
        is_written: false,
    })
}

/// Whether there is no room now, which passes. Descriptors count: connections may have taken all
/// of them, and peers must not be able to stop the server.
pub fn is_full(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    let descriptors = [Some(Errno::MFILE), Some(Errno::NFILE)];
    kinds.contains(&error.kind()) || descriptors.contains(&Errno::from_io_error(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_passes_and_a_broken_disk_does_not() {
        let error = |errno: Errno| io::Error::from(errno);
        assert!(is_full(&error(Errno::NOSPC)));
        assert!(is_full(&error(Errno::MFILE)));
        assert!(is_full(&error(Errno::NFILE)));
        assert!(!is_full(&error(Errno::IO)));
    }
}
