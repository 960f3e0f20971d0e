//! A checkpoint: the sequenced state, where batches lie in data segments, and where to follow the
//! log from.
//!
//! It is written piece by piece while commits go on: what it holds of a value or a partition may
//! be newer than its position, and the log that is followed from there brings all to one state.

use super::data::{DataName, RunSummary};
use super::disk::{Disk, DiskFile, Open};
use super::segment::{FORMAT, LogAt, NoHeader, SegmentHeader, checkpoint_name, u32_at, u64_at};
use super::settings::OpenError;
use crate::store::engine::sequencer::{Sequencer, Tail};
use crate::store::state::{Entry, Key, Value};
use crate::store::{PartitionId, Position};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"braidchk";
const HEADER_BYTES: usize = 24;
/// Bytes gathered for one write.
const WRITE_BYTES: usize = 1 << 20;

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
    /// The data segments that hold runs.
    #[n(4)]
    pub data: Vec<DataFile>,
}

/// A data segment that is still of use.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DataFile {
    #[n(0)]
    pub name: DataName,
    /// Those of no use included.
    #[n(1)]
    pub bytes: u64,
}

/// A run, and which of the data segments it lies in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListedRun {
    #[n(0)]
    pub file: u32,
    #[n(1)]
    pub run: RunSummary,
}

/// A checkpoint read back.
#[derive(Default)]
pub struct Checkpoint {
    pub number: u64,
    /// Its length.
    pub bytes: u64,
    /// The state after the effects up to its newest position, and perhaps some later ones.
    pub sequencer: Sequencer,
    /// Effects up to here are in what it holds of the partition.
    pub known: HashMap<PartitionId, Position>,
    pub runs: Vec<ListedRun>,
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

/// A checkpoint that is being written; nothing of it stays unless it is finished.
pub struct Writing<'a> {
    disk: &'a dyn Disk,
    name: String,
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes written to the file, and their checksum.
    written: u64,
    crc: u32,
    buffer: Encoder<Vec<u8>>,
}

pub type Encoding = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

impl Writing<'_> {
    pub fn begin(disk: &dyn Disk, number: u64) -> io::Result<Writing<'_>> {
        let name = checkpoint_name(number);
        let file = disk.open(&unfinished(&name), Open::New)?;
        Ok(Writing {
            disk,
            name,
            file: Some(file),
            written: 0,
            crc: 0,
            buffer: Encoder::new(Vec::with_capacity(WRITE_BYTES)),
        })
    }

    /// Adds something; only memory is touched.
    pub fn add(&mut self, encode: impl FnOnce(&mut Encoder<Vec<u8>>) -> Encoding) {
        encode(&mut self.buffer).expect("memory takes all bytes");
    }

    /// Writes what has been gathered, if that is enough for a write.
    pub fn pass_on(&mut self) -> io::Result<()> {
        match self.buffer.writer().len() >= WRITE_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = self.buffer.writer_mut();
        let at = HEADER_BYTES as u64 + self.written;
        let file = self.file.as_ref();
        file.expect("it is not finished").write_at(at, bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.written += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }

    /// Gives the checkpoint its name once all of it is on disk. Answers with its length.
    pub fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        let length = self.written.to_le_bytes();
        let body_bytes = usize::try_from(self.written).map_err(io::Error::other)?;
        let crc = crc32c::crc32c_combine(crc32c::crc32c(&length), self.crc, body_bytes);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&crc.to_le_bytes());
        header.extend_from_slice(&length);
        let file = self.file.as_ref().expect("it is not finished");
        file.write_at(0, &header)?;
        file.sync()?;
        self.file = None;
        self.disk.rename(&unfinished(&self.name), &self.name)?;
        self.disk.sync_directory()?;
        Ok(self.written)
    }
}

/// It is of no use; if it cannot be removed either, the next start does.
impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.disk.remove(&unfinished(&self.name));
        }
    }
}

fn unfinished(name: &str) -> String {
    format!("{name}.tmp")
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
    let decoded = decode(&mut decoder).map_err(|error| {
        let at = (HEADER_BYTES + decoder.position()) as u64;
        OpenError::damaged(&name, at, &error.to_string())
    })?;
    Ok(Checkpoint {
        number,
        bytes: length,
        ..decoded
    })
}

fn decode(decoder: &mut Decoder<'_>) -> Result<Checkpoint, minicbor::decode::Error> {
    let last: Position = decoder.decode()?;
    let mut values = BTreeMap::new();
    for item in decoder.array_iter::<(Key, Value, Position)>()? {
        let (key, value, version) = item?;
        values.insert(key, Entry { value, version });
    }
    let mut tails = HashMap::new();
    let mut known = HashMap::new();
    for item in decoder.array_iter::<(PartitionId, Tail, Position)>()? {
        let (partition, tail, position) = item?;
        tails.insert(partition, tail);
        if position > last {
            known.insert(partition, position);
        }
    }
    let runs = decoder.array_iter()?.collect::<Result<_, _>>()?;
    Ok(Checkpoint {
        sequencer: Sequencer::restore(last, values, tails),
        known,
        runs,
        files: decoder.decode()?,
        ..Checkpoint::default()
    })
}
