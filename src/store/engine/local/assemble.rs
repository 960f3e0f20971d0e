//! Assembles frames for the log: around a batch that lies in a berth, or in the buffers of groups.

use super::buffers::{Buffers, Filled};
use super::frame::{CRC_COVERS_FROM, Committed, FrameHeader, FrameRun, HEADER_BYTES, Place};
use super::layout::Layout;
use super::segment::round_up_to_block;
use super::table::{AppendEntry, TableEntry};
use crate::store::batch::{self, Batch};
use crate::store::berth::Sole;
use crate::store::engine::sequencer::{Effect, Placement};
use crate::store::engine::{Atom, BatchInfo, Intent};
use bytes::BufMut;

/// A frame ready to be written.
pub struct Encoded {
    pub filled: Filled,
    pub crc: u32,
    pub runs: Vec<FrameRun>,
    /// What it changes besides the batches it adds.
    pub changes: Vec<Effect>,
}

/// The most that one call's atoms may take in the log: a frame of their own, or several if a batch
/// among them is to have its own.
pub fn bytes_max<'a>(atoms: impl Iterator<Item = &'a Atom> + Clone) -> u64 {
    let alone = |atom: &Atom| frame_bytes_max(atom.iter().map(intent_bytes_max).sum());
    match atoms.clone().flatten().any(is_berthed) {
        true => atoms.map(alone).sum(),
        false => frame_bytes_max(atoms.flatten().map(intent_bytes_max).sum()),
    }
}

fn is_berthed(intent: &Intent) -> bool {
    matches!(intent, Intent::Append(append) if append.batch.is_berthed())
}

fn frame_bytes_max(bytes: usize) -> u64 {
    round_up_to_block((HEADER_BYTES + bytes) as u64)
}

fn intent_bytes_max(intent: &Intent) -> usize {
    match intent {
        Intent::Append(append) => AppendEntry::BYTES_MAX + append.batch.bytes().len(),
        Intent::Put { key, value, .. } => TableEntry::put_bytes(key, value.as_ref()),
        Intent::Require { .. } => 0,
        Intent::Open { .. } | Intent::Trim { .. } | Intent::Drop { .. } => TableEntry::SMALL_BYTES,
    }
}

/// Bytes of a frame in front of the batch that alone is in it.
pub fn bytes_before_lone_batch(is_idempotent: bool) -> usize {
    HEADER_BYTES + AppendEntry::bytes(is_idempotent)
}

/// Builds the frame, around a batch that has the room and is alone. Otherwise this is the one copy
/// that a batch's bytes go through.
pub fn frame(place: Place, mut commits: Vec<Committed>, buffers: &mut Buffers) -> Encoded {
    let appends: Vec<&Placement> = placements(&commits).collect();
    let headers: Vec<_> = appends
        .iter()
        .map(|placement| {
            placement
                .batch
                .header_placed_at(placement.base, placement.times)
        })
        .collect();
    let infos: Vec<BatchInfo> = std::iter::zip(&appends, &headers)
        .map(|(placement, header)| info(placement, header))
        .collect();
    let table = table(&commits, &infos, &headers);
    let body_start = HEADER_BYTES + table.len();
    let owners = appends.iter().map(|placement| placement.partition);
    let layout = Layout::of(owners, &infos, body_start);
    let mut header = FrameHeader {
        place,
        crc: 0,
        table_bytes: u32::try_from(table.len()).expect("a group's table is far below 4 GiB"),
        body_bytes: layout.body_bytes as u64,
        entries: u32::try_from(commits.iter().map(|c| c.effects.len()).sum::<usize>())
            .expect("an entry takes a byte of the table"),
    };
    let crc = crc32c::crc32c(&header.encode()[CRC_COVERS_FROM..]);
    header.crc = crc32c::crc32c_append(crc, &table);
    let filled = match lone_memory(&mut commits, body_start) {
        Some(mut memory) => {
            let bytes = memory.bytes();
            bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
            bytes[HEADER_BYTES..body_start].copy_from_slice(&table);
            bytes[body_start..][..batch::HEADER_BYTES].copy_from_slice(&headers[0]);
            let (bytes, memory) = memory.filled_up();
            Filled { bytes, memory }
        }
        None => buffers.fill(body_start + layout.body_bytes, |bytes| {
            let appends: Vec<&Placement> = placements(&commits).collect();
            bytes.put_slice(&header.encode());
            bytes.put_slice(&table);
            for append in &layout.order {
                bytes.put_slice(&headers[*append]);
                bytes.put_slice(&appends[*append].batch.bytes()[batch::HEADER_BYTES..]);
            }
        }),
    };
    Encoded {
        filled,
        crc: header.crc,
        runs: layout.runs,
        changes: changes(commits),
    }
}

/// Divides commits, in their order, among frames: a batch in a berth gets one of its own, so that
/// it is written from there.
pub fn divide(commits: Vec<Committed>) -> Vec<Vec<Committed>> {
    let mut frames: Vec<Vec<Committed>> = Vec::new();
    let mut is_shared = false;
    for commit in commits {
        let is_berthed = lone_append(&commit).is_some_and(|placement| placement.batch.is_berthed());
        match frames.last_mut() {
            Some(last) if is_shared && !is_berthed => last.push(commit),
            _ => frames.push(vec![commit]),
        }
        is_shared = !is_berthed;
    }
    frames
}

/// The only thing that a commit does, if that is to add a batch.
fn lone_append(commit: &Committed) -> Option<&Placement> {
    match &commit.effects[..] {
        [Effect::Append(placement)] => Some(placement),
        _ => None,
    }
}

/// The memory of the only batch, if there is one and it lies in a berth.
fn lone_memory(commits: &mut [Committed], front: usize) -> Option<Sole> {
    let [commit] = commits else {
        return None;
    };
    lone_append(commit)?;
    let Some(Effect::Append(placement)) = commit.effects.pop() else {
        return None;
    };
    let batch = match placement.batch.into_memory(front) {
        Ok(memory) if memory.is_fit() => return Some(memory),
        Ok(memory) => Batch::trusted(memory.into_bytes().slice(front..)),
        Err(batch) => batch,
    };
    let append = Effect::Append(Placement { batch, ..placement });
    commit.effects.push(append);
    None
}

fn table(
    commits: &[Committed],
    infos: &[BatchInfo],
    headers: &[[u8; batch::HEADER_BYTES]],
) -> Vec<u8> {
    let mut table = Vec::with_capacity(infos.len() * AppendEntry::BYTES_MAX);
    let mut appended = std::iter::zip(infos, headers);
    for commit in commits {
        let last = commit.effects.len() - 1;
        for (at, effect) in commit.effects.iter().enumerate() {
            let entry = match effect {
                Effect::Append(placement) => {
                    let (info, header) = appended.next().expect("one for each append");
                    let producer = placement.batch.producer();
                    let partition = placement.partition;
                    TableEntry::Append(AppendEntry::of(partition, info, header, producer))
                }
                Effect::Put { key, value } => TableEntry::Put(key.clone(), value.clone()),
                Effect::Open { partition } => TableEntry::Open(*partition),
                Effect::Trim { partition, to } => TableEntry::Trim(*partition, *to),
                Effect::Drop { partition } => TableEntry::Drop(*partition),
            };
            entry.encode(at == last, &mut table);
        }
    }
    table
}

/// What a group changes besides the batches it adds; those are let go of.
fn changes(commits: Vec<Committed>) -> Vec<Effect> {
    let effects = commits.into_iter().flat_map(|commit| commit.effects);
    let is_change = |effect: &Effect| match effect {
        Effect::Open { .. } | Effect::Trim { .. } | Effect::Drop { .. } => true,
        Effect::Append(_) | Effect::Put { .. } => false,
    };
    effects.filter(is_change).collect()
}

fn placements(commits: &[Committed]) -> impl Iterator<Item = &Placement> {
    let effects = commits.iter().flat_map(|commit| &commit.effects);
    effects.filter_map(|effect| match effect {
        Effect::Append(placement) => Some(placement),
        Effect::Put { .. } | Effect::Open { .. } | Effect::Trim { .. } | Effect::Drop { .. } => {
            None
        }
    })
}

fn info(placement: &Placement, header: &[u8; batch::HEADER_BYTES]) -> BatchInfo {
    let max_timestamp = header[35..43].try_into().expect("eight bytes are eight");
    BatchInfo {
        base: placement.base,
        next: placement.base.plus(placement.batch.span()),
        bytes: u32::try_from(placement.batch.bytes().len()).expect("a batch's length is an i32"),
        arrival: placement.arrival,
        max_timestamp: crate::store::Timestamp(i64::from_be_bytes(max_timestamp)),
        named: placement.named,
    }
}
