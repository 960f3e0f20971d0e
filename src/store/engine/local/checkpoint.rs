//! A checkpoint: the sequenced state, where folded batches lie, and where to follow the log from.

use super::data::{DataName, RunSummary};
use super::disk::{Disk, Open};
use super::segment::{FORMAT, LogAt, NoHeader, SegmentHeader, checkpoint_name, u32_at, u64_at};
use super::settings::OpenError;
use crate::store::engine::sequencer::{Sequencer, Tail};
use crate::store::state::{Entry, Key, Value};
use crate::store::{PartitionId, Position};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::{BTreeMap, HashMap};
use std::io;

const MAGIC: &[u8; 8] = b"braidchk";
const HEADER_BYTES: usize = 24;

/// Where things are on disk at the time of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Files {
    /// The log segment to follow from its beginning.
    #[n(0)]
    pub sequence: u64,
    #[n(1)]
    pub start: u64,
    #[n(2)]
    pub predecessor_crc: u32,
    /// The log is known to be durable up to here.
    #[n(3)]
    pub durable: u64,
    #[n(4)]
    pub data: Vec<DataFile>,
}

/// A data segment with the runs that are still of use.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DataFile {
    #[n(0)]
    pub name: DataName,
    /// Of all its runs, those of no use included.
    #[n(1)]
    pub bytes: u64,
    #[n(2)]
    pub runs: Vec<RunSummary>,
}

/// A checkpoint read back.
pub struct Checkpoint {
    pub number: u64,
    pub sequencer: Sequencer,
    pub files: Files,
}

impl Files {
    pub fn follow(&mut self, header: &SegmentHeader) {
        self.sequence = header.sequence;
        self.start = header.start.0;
        self.predecessor_crc = header.predecessor_crc;
    }

    pub fn start(&self) -> LogAt {
        LogAt(self.start)
    }
}

/// The sequenced state, as a checkpoint holds it.
pub fn encode_state(sequencer: &Sequencer) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encode_into(&mut encoder, sequencer).expect("memory takes all bytes");
    encoder.into_writer()
}

type Encoding = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn encode_into(encoder: &mut Encoder<Vec<u8>>, sequencer: &Sequencer) -> Encoding {
    encoder.encode(sequencer.last())?;
    encoder.array(sequencer.values().count() as u64)?;
    for (key, entry) in sequencer.values() {
        encoder.encode((key, &entry.value, entry.version))?;
    }
    encoder.array(sequencer.tails().count() as u64)?;
    for (partition, tail) in sequencer.tails() {
        encoder.encode((partition, tail))?;
    }
    Ok(())
}

fn decode_state(decoder: &mut Decoder<'_>) -> Result<Sequencer, minicbor::decode::Error> {
    let last: Position = decoder.decode()?;
    let mut values = BTreeMap::new();
    for item in decoder.array_iter::<(Key, Value, Position)>()? {
        let (key, value, version) = item?;
        values.insert(key, Entry { value, version });
    }
    let mut tails = HashMap::new();
    for item in decoder.array_iter::<(PartitionId, Tail)>()? {
        let (partition, tail) = item?;
        tails.insert(partition, tail);
    }
    Ok(Sequencer::restore(last, values, tails))
}

/// Writes a checkpoint whole, or not at all.
pub fn write(disk: &dyn Disk, number: u64, state: &[u8], files: &Files) -> io::Result<()> {
    let files = minicbor::to_vec(files).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + state.len() + files.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&((state.len() + files.len()) as u64).to_le_bytes());
    bytes.extend_from_slice(state);
    bytes.extend_from_slice(&files);
    let crc = crc32c::crc32c(&bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    let name = checkpoint_name(number);
    let unfinished = format!("{name}.tmp");
    let written = write_file(disk, &unfinished, &bytes);
    if written.is_err() {
        // It is of no use; if it cannot be removed either, the next start does.
        let _ = disk.remove(&unfinished);
    }
    written?;
    disk.rename(&unfinished, &name)?;
    disk.sync_directory()
}

fn write_file(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(name, Open::New)?;
    file.write_at(0, bytes)?;
    file.sync()
}

/// Reads a checkpoint. It was whole before it had its name, so anything else is damage.
pub fn read(disk: &dyn Disk, number: u64) -> Result<Checkpoint, OpenError> {
    let name = checkpoint_name(number);
    let read = || -> io::Result<Vec<u8>> {
        let file = disk.open(&name, Open::Existing)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(OpenError::disk(format!("reading {name}")))?;
    if bytes.len() < HEADER_BYTES || &bytes[..8] != MAGIC {
        return Err(OpenError::header(&name, NoHeader::Damaged));
    }
    let format = u32_at(&bytes, 8);
    if format > FORMAT {
        return Err(OpenError::header(&name, NoHeader::Newer(format)));
    }
    let length = (bytes.len() - HEADER_BYTES) as u64;
    if u64_at(&bytes, 16) != length || crc32c::crc32c(&bytes[16..]) != u32_at(&bytes, 12) {
        return Err(OpenError::damaged(&name, 0, "the checkpoint's checksum"));
    }
    let mut decoder = Decoder::new(&bytes[HEADER_BYTES..]);
    let decoded = decode_state(&mut decoder).and_then(|state| Ok((state, decoder.decode()?)));
    let (sequencer, files) = decoded.map_err(|error| {
        let at = (HEADER_BYTES + decoder.position()) as u64;
        OpenError::damaged(&name, at, &error.to_string())
    })?;
    Ok(Checkpoint {
        number,
        sequencer,
        files,
    })
}
