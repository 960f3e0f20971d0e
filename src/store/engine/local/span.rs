//! Stretches of files that hold what a reader wants, and how many of them are read in one go.

use super::cold::Cold;
use super::data::DataSegment;
use super::disk::DiskFile;
use super::index::bytes_of;
use super::read::check_batches;
use super::segment::Segment;
use crate::store::engine::{BatchInfo, Run};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes read in one go, unless one batch is larger.
pub const SPAN_BYTES_MAX: u64 = 2 << 20;
/// What lies between two parts is read along if it is at most this share of what comes before.
const GAP_SHARE: u64 = 8;

/// Consecutive batches that lie together, and where.
pub struct Part {
    pub batches: Vec<BatchInfo>,
    pub place: Place,
}

pub enum Place {
    Memory(Bytes),
    File { file: FileOf, at: u64 },
}

/// Whose file it is.
pub enum FileOf {
    Data(Arc<DataSegment>),
    Log(Arc<Segment>),
}

impl FileOf {
    fn file(&self) -> &dyn DiskFile {
        match self {
            FileOf::Data(segment) => segment.file.as_ref(),
            FileOf::Log(segment) => segment.file.as_ref(),
        }
    }

    fn name(&self) -> String {
        match self {
            FileOf::Data(segment) => segment.name.file(),
            FileOf::Log(segment) => segment.name(),
        }
    }

    fn is(&self, other: &FileOf) -> bool {
        match (self, other) {
            (FileOf::Data(one), FileOf::Data(other)) => Arc::ptr_eq(one, other),
            (FileOf::Log(one), FileOf::Log(other)) => Arc::ptr_eq(one, other),
            (FileOf::Data(_), FileOf::Log(_)) | (FileOf::Log(_), FileOf::Data(_)) => false,
        }
    }
}

/// Parts of one file that are read in one go, what little lies between them included.
struct Span {
    file: FileOf,
    range: Range<u64>,
    /// Bytes of the parts themselves.
    bytes: u64,
    parts: Vec<(u64, Vec<BatchInfo>)>,
}

impl Span {
    fn new(file: FileOf, at: u64, batches: Vec<BatchInfo>) -> Span {
        let bytes = bytes_of(&batches);
        Span {
            file,
            range: at..at + bytes,
            bytes,
            parts: vec![(at, batches)],
        }
    }

    /// Whether the next part may be read along: close behind, so that nearly all of what is held
    /// for the reader is what it asked for.
    fn takes(&self, file: &FileOf, at: u64, bytes: u64) -> bool {
        let gap = at.checked_sub(self.range.end);
        self.file.is(file)
            && gap.is_some_and(|gap| gap <= self.bytes / GAP_SHARE)
            && at + bytes - self.range.start <= SPAN_BYTES_MAX
    }

    fn add(&mut self, at: u64, batches: Vec<BatchInfo>) {
        let bytes = bytes_of(&batches);
        self.range.end = at + bytes;
        self.bytes += bytes;
        self.parts.push((at, batches));
    }

    fn read(self, cold: &Cold, found: &mut Vec<Unchecked>) -> io::Result<()> {
        let start = self.range.start;
        let bytes = cold.stretch(self.file.file(), self.range)?;
        for (at, batches) in self.parts {
            let first = usize::try_from(at - start).map_err(io::Error::other)?;
            let length = usize::try_from(bytes_of(&batches)).map_err(io::Error::other)?;
            let bytes = bytes.slice(first..first + length);
            found.push(Unchecked {
                run: Run { bytes, batches },
                origin: Some((self.file.name(), at)),
            });
        }
        Ok(())
    }
}

/// A run that was found, and where: from a file it may not be what was written.
pub struct Unchecked {
    pub run: Run,
    origin: Option<(String, u64)>,
}

impl Unchecked {
    /// Keeps the first `count` batches; what follows is answered.
    pub fn split_off(&mut self, count: usize) -> Unchecked {
        let batches = self.run.batches.split_off(count);
        let kept = bytes_of(&self.run.batches);
        let bytes = usize::try_from(kept).expect("they are in memory");
        let origin = self.origin.as_ref();
        Unchecked {
            origin: origin.map(|(name, at)| (name.clone(), at + kept)),
            run: Run {
                bytes: self.run.bytes.split_off(bytes),
                batches,
            },
        }
    }

    pub fn checked(self) -> io::Result<Run> {
        if let Some((name, at)) = self.origin {
            check_batches(&self.run.bytes, || name.clone(), at, &self.run.batches)?;
        }
        Ok(self.run)
    }
}

/// Reads parts in order, each as a run of its own.
pub fn read_parts(parts: Vec<Part>, cold: &Cold) -> io::Result<Vec<Unchecked>> {
    let mut found = Vec::with_capacity(parts.len());
    let mut span: Option<Span> = None;
    for Part { batches, place } in parts {
        let (file, at) = match place {
            Place::File { file, at } => (file, at),
            Place::Memory(bytes) => {
                if let Some(span) = span.take() {
                    span.read(cold, &mut found)?;
                }
                found.push(Unchecked {
                    run: Run { bytes, batches },
                    origin: None,
                });
                continue;
            }
        };
        match &mut span {
            Some(span) if span.takes(&file, at, bytes_of(&batches)) => span.add(at, batches),
            _ => {
                let next = Span::new(file, at, batches);
                if let Some(span) = span.replace(next) {
                    span.read(cold, &mut found)?;
                }
            }
        }
    }
    if let Some(span) = span {
        span.read(cold, &mut found)?;
    }
    Ok(found)
}

/// Cuts a slice of batches where `bytes_max` would be passed.
pub fn chunks_of(bytes_max: u64) -> impl FnMut(&BatchInfo, &BatchInfo) -> bool {
    let mut bytes = 0;
    move |before, next| {
        bytes += u64::from(before.bytes);
        let goes_on = bytes + u64::from(next.bytes) <= bytes_max;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    }
}
