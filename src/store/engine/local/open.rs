//! From a directory to a running engine: what is there, what it means, where writing goes on.

use super::disk::{Disk, Open};
use super::index::Index;
use super::log::{Writer, first_segment_bytes, start_segment};
use super::recovery::{Followed, list_segments};
use super::room::{Room, Spare, make_spare};
use super::segment::{BLOCK_BYTES, LogAt, Segment, SegmentHeader, number_in, spare_name};
use super::settings::{LocalSettings, OpenError, Pace};
use super::shared::{Core, Progress, Shared};
use super::upkeep::Upkeep;
use crate::clock::Clock;
use crate::store::Position;
use crate::store::engine::sequencer::Sequencer;
use crate::store::engine::watchers::Watchers;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::sync::watch;

/// What a directory amounts to, and where writing goes on.
pub struct Opened {
    pub writer: Writer,
    pub core: Core,
    pub index: Index,
    pub upkeep: Upkeep,
}

/// Recovers the directory and starts a fresh segment in it.
pub fn open(disk: &Arc<dyn Disk>, settings: &LocalSettings) -> Result<Opened, OpenError> {
    let names = disk
        .list()
        .map_err(OpenError::disk("listing the data directory"))?;
    let segments = list_segments(disk.as_ref(), &names)?;
    let next_sequence = segments.last().map_or(1, |last| last.header.sequence + 1);
    let mut followed = Followed {
        sequencer: Sequencer::default(),
        index: Index::new(settings.tail_cache_bytes),
        at: LogAt(0),
        crc: 0,
        sealed: Vec::new(),
        covered: Position(0),
    };
    let behind = followed.follow(&segments)?;
    settle_disk(disk.as_ref(), &followed, &behind)
        .map_err(OpenError::disk("cutting the log's torn end"))?;
    let (mut spares, next_number) = list_spares(disk.as_ref(), &names)
        .map_err(OpenError::disk("looking for spare segments"))?;
    let segment = fresh_segment(
        disk.as_ref(),
        settings,
        &followed,
        next_sequence,
        &mut spares,
    )
    .map_err(OpenError::disk("starting a log segment"))?;
    let writer = Writer {
        segment: Arc::new(segment),
        at: followed.at,
        crc: followed.crc,
        recorded: followed.at,
        filled: followed.at,
        next_sequence: next_sequence + 1,
    };
    let mut room = Room::new(
        disk.clone(),
        settings.log_segment_bytes,
        spares,
        next_number,
    );
    room.settle(writer.left());
    Ok(Opened {
        writer,
        core: Core::new(followed.sequencer, room, followed.at, followed.sealed),
        index: followed.index,
        upkeep: Upkeep::default(),
    })
}

/// What was read may never have been synced, and what lies behind it must not come back.
fn settle_disk(disk: &dyn Disk, followed: &Followed, behind: &[Arc<Segment>]) -> io::Result<()> {
    for sealed in &followed.sealed {
        sealed.segment.file.sync()?;
    }
    for segment in behind {
        disk.remove(&segment.name())?;
    }
    disk.sync_directory()
}

/// Spares of an earlier life. Their space is asked for again: it may not have been certain yet.
fn list_spares(disk: &dyn Disk, names: &[String]) -> io::Result<(VecDeque<Spare>, u64)> {
    let mut spares = VecDeque::new();
    let mut next_number = 0;
    for name in names {
        let Some(number) = number_in(name, "spare") else {
            continue;
        };
        next_number = next_number.max(number);
        let file = disk.open(name, Open::Existing)?;
        let bytes = file.len()?;
        let is_whole = bytes >= 2 * BLOCK_BYTES && bytes.is_multiple_of(BLOCK_BYTES);
        if !is_whole || file.allocate(bytes).is_err() {
            disk.remove(name)?;
            continue;
        }
        let name = name.clone();
        spares.push_back(Spare { name, file, bytes });
    }
    Ok((spares, next_number))
}

fn fresh_segment(
    disk: &dyn Disk,
    settings: &LocalSettings,
    followed: &Followed,
    sequence: u64,
    spares: &mut VecDeque<Spare>,
) -> io::Result<Segment> {
    let spare = match spares.pop_front() {
        Some(spare) => spare,
        None => {
            let bytes = first_segment_bytes(settings.first_segment_bytes);
            let spare = make_spare(disk, spare_name(0), bytes)?;
            let zeros = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
            spare.file.write_at(0, &zeros)?;
            spare
        }
    };
    let header = SegmentHeader {
        sequence,
        salt: super::log::new_salt(),
        start: followed.at,
        predecessor_crc: followed.crc,
    };
    start_segment(disk, spare, header)
}
