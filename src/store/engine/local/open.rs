//! From a directory to a running engine: what is there, what it means, where writing goes on.

use super::buffers::Buffers;
use super::checkpoint::{self, Checkpoint, DataFile, ListedRun};
use super::data::{DataName, DataRun, DataSegment};
use super::disk::{Disk, LOCK, Open};
use super::index::Index;
use super::log::Writer;
use super::recovery::{Followed, list_segments};
use super::room::{Room, Spare};
use super::segment::{BLOCK_BYTES, LogAt, Segment};
use super::segment::{checkpoint_name, log_name, number_in};
use super::settings::{LocalSettings, OpenError};
use super::shared::Core;
use super::upkeep::Upkeep;
use super::zeros::Zeros;
use crate::store::PartitionId;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

/// What a directory amounts to, and where writing goes on.
pub struct Opened {
    pub writer: Writer,
    pub core: Core,
    pub index: Index,
    pub upkeep: Upkeep,
}

/// Recovers the directory and starts a fresh segment in it.
pub fn open(disk: &Arc<dyn Disk>, settings: &LocalSettings) -> Result<Opened, OpenError> {
    let listed = disk.list();
    let names = listed.map_err(OpenError::disk("listing the data directory"))?;
    let mut checkpoint = newest_checkpoint(disk.as_ref(), &names)?;
    let data = open_data(disk.as_ref(), &checkpoint)?;
    let segments = list_segments(disk.as_ref(), &names, checkpoint.files.sequence)?;
    let newest_sequence = names.iter().filter_map(|name| number_in(name, "log")).max();
    let next_sequence = (newest_sequence.unwrap_or(0) + 1).max(checkpoint.files.sequence);
    let (useful, behind, followed) = follow(&mut checkpoint, &data, segments, settings)?;
    let keep = Keep {
        checkpoint: checkpoint.number,
        data: &data,
        segments: &useful,
    };
    keep.settle(disk.as_ref(), &names, &followed)
        .map_err(OpenError::disk("cleaning up the data directory"))?;
    drop((useful, behind));
    let (spares, next_number) = list_spares(disk.as_ref(), &names)
        .map_err(OpenError::disk("looking for spare segments"))?;
    let writer = Writer {
        segment: None,
        at: followed.at,
        crc: followed.crc,
        // What was followed beyond the checkpoint is durable now, and no frame says so yet.
        recorded: LogAt(checkpoint.files.durable),
        filled: followed.at,
        next_sequence,
        segment_bytes: settings.log_segment_bytes,
        buffers: Buffers::new(settings.tail_cache_bytes),
        zeros: Zeros::default(),
    };
    let room = Room::new(disk.clone(), settings, spares, next_number);
    let newest_data = names
        .iter()
        .filter_map(|name| number_in(name, "data"))
        .max();
    let upkeep = Upkeep {
        data,
        next_data: newest_data.unwrap_or(0),
        checkpoint: checkpoint.number,
        checkpoint_bytes: checkpoint.bytes,
        checkpoint_at: LogAt(checkpoint.files.durable),
        ..Upkeep::default()
    };
    Ok(Opened {
        writer,
        core: Core::new(followed.sequencer, room, followed.at, followed.sealed),
        index: followed.index,
        upkeep,
    })
}

/// The newest checkpoint; a new directory has an empty one.
fn newest_checkpoint(disk: &dyn Disk, names: &[String]) -> Result<Checkpoint, OpenError> {
    let numbers = names
        .iter()
        .filter_map(|name| number_in(name, "checkpoint"));
    match numbers.max() {
        Some(number) => checkpoint::read(disk, number),
        None => Ok(Checkpoint::default()),
    }
}

/// Opens the data segments that a checkpoint lists, in its order.
fn open_data(disk: &dyn Disk, checkpoint: &Checkpoint) -> Result<Data, OpenError> {
    let files = checkpoint.files.data.iter();
    let opened = files.map(|file| open_file(disk, file));
    let data = opened.collect::<Result<Vec<_>, _>>()?;
    let mut live = vec![0; data.len()];
    for ListedRun { file, run } in &checkpoint.runs {
        let at = *file as usize;
        let Some((data, bytes)) = data.get(at) else {
            let name = checkpoint_name(checkpoint.number);
            return Err(OpenError::damaged(&name, 0, "a run of no file"));
        };
        if !run.fits(*bytes) {
            let name = data.name.file();
            return Err(OpenError::damaged(&name, *bytes, "the file is cut short"));
        }
        live[at] += run.bytes;
    }
    for ((data, _), live) in data.iter().zip(live) {
        data.set_live(live);
    }
    Ok(data.into_iter().map(|(data, _)| data).collect())
}

/// A data segment, and how long its file is.
fn open_file(disk: &dyn Disk, listed: &DataFile) -> Result<(Arc<DataSegment>, u64), OpenError> {
    let name = listed.name.file();
    let read = || -> io::Result<_> {
        let file = disk.open_for_blocks(&name, Open::Existing)?;
        let bytes = file.len()?;
        let mut block = vec![0; usize::try_from(bytes.min(BLOCK_BYTES)).unwrap_or(0)];
        file.read_at(0, &mut block)?;
        Ok((file, bytes, block))
    };
    let (file, bytes, block) = read().map_err(OpenError::disk(format!("reading {name}")))?;
    let checked = listed.name.check(&block);
    checked.map_err(|error| OpenError::header(&name, error))?;
    let data = DataSegment::new(listed.name, file, listed.bytes);
    Ok((Arc::new(data), bytes))
}

type Segments = Vec<Arc<Segment>>;
type Data = Vec<Arc<DataSegment>>;

/// Follows the log from where the checkpoint says. Answers with the segments that are still
/// needed and those that are not.
fn follow(
    checkpoint: &mut Checkpoint,
    data: &Data,
    segments: Segments,
    settings: &LocalSettings,
) -> Result<(Segments, Segments, Followed), OpenError> {
    let mut index = Index::new(settings.tail_cache_bytes);
    let mut runs: HashMap<PartitionId, VecDeque<Arc<DataRun>>> = HashMap::new();
    for ListedRun { file, run } in std::mem::take(&mut checkpoint.runs) {
        let run = DataRun::new(data[file as usize].clone(), run);
        runs.entry(run.summary.partition)
            .or_default()
            .push_back(run);
    }
    for (partition, tail) in checkpoint.sequencer.tails() {
        let mut runs = runs.remove(&partition).unwrap_or_default();
        runs.make_contiguous().sort_by_key(|run| run.summary.first);
        index.restore(partition, tail, runs);
    }
    // Of partitions that ended while the checkpoint was taken.
    runs.into_values().flatten().for_each(|run| run.end());
    let mut followed = Followed::from(checkpoint, index);
    let files = &checkpoint.files;
    let mut useful = segments;
    let is_there = |segment: &Arc<Segment>| segment.header.sequence == files.sequence;
    // Nothing was durable in a segment that was not begun when the checkpoint was written.
    let may_be_missing = useful.is_empty() && files.durable == files.start;
    if checkpoint.number > 0 && !may_be_missing && !useful.first().is_some_and(is_there) {
        return Err(OpenError::damaged(
            &log_name(files.sequence),
            0,
            "the segment is missing",
        ));
    }
    let behind = followed.follow(&useful)?;
    useful.truncate(useful.len() - behind.len());
    if followed.at.0 < files.durable {
        let what = format!(
            "the log ends at {} and was durable up to {}",
            followed.at, files.durable
        );
        let last = useful.last().expect("the first one is there");
        return Err(OpenError::damaged(
            &last.name(),
            last.file_at(followed.at),
            &what,
        ));
    }
    followed.index.trim_all();
    Ok((useful, behind, followed))
}

/// The files that a recovered directory consists of.
struct Keep<'a> {
    checkpoint: u64,
    data: &'a Data,
    segments: &'a [Arc<Segment>],
}

impl Keep<'_> {
    /// What was read may never have been synced, and what is of no use must not come back.
    fn settle(&self, disk: &dyn Disk, names: &[String], followed: &Followed) -> io::Result<()> {
        if names.iter().all(|name| name == LOCK) {
            return Ok(()); // A new directory should be ready at once.
        }
        for sealed in &followed.sealed {
            sealed.segment.file.sync()?;
        }
        for name in names {
            if !self.is_useful(name) {
                disk.remove(name)?;
            }
        }
        disk.sync_directory()
    }

    fn lists(&self, name: DataName) -> bool {
        self.data.iter().any(|data| data.name == name)
    }

    fn is_useful(&self, name: &str) -> bool {
        if let Some(number) = number_in(name, "log") {
            let is_followed = self.segments.iter().any(|s| s.header.sequence == number);
            return is_followed || self.lists(DataName::Adopted(number));
        }
        if let Some(number) = number_in(name, "data") {
            return self.lists(DataName::Folded(number));
        }
        match number_in(name, "checkpoint") {
            Some(number) => number == self.checkpoint,
            // Other people's files are left alone.
            None => !name.ends_with(".tmp") || !name.starts_with("checkpoint-"),
        }
    }
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
        let file = disk.open_for_blocks(name, Open::Existing)?;
        let bytes = file.len()?;
        let is_whole = bytes >= 2 * BLOCK_BYTES && bytes.is_multiple_of(BLOCK_BYTES);
        if !is_whole || file.allocate(bytes).is_err() {
            disk.remove(name)?;
            continue;
        }
        let name = name.clone();
        spares.push_back(Spare {
            name,
            file,
            bytes,
            is_written: false,
        });
    }
    Ok((spares, next_number))
}
