//! The only code that touches the file system, behind an interface that a test can make fail.

use super::buffers::zero_blocks;
use super::segment::BLOCK_BYTES;
use super::settings::OpenError;
use rustix::fs::OFlags;
use rustix::io::{pwritev, retry_on_intr};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One flat directory of files. A name is never a path.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file for reading and writing, `create`s it if it does not exist.
    fn open(&self, name: &str, mode: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file whose blocks will be written past the system's cache.
    fn open_for_blocks(&self, name: &str, mode: Open) -> io::Result<Arc<dyn DiskFile>> {
        self.open(name, mode)
    }
    /// Names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    Existing,
    /// Fails if the file exists.
    New,
}

/// One open file. Reads and writes are whole: fewer bytes are an error.
pub trait DiskFile: Send + Sync + 'static {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Writes whole blocks that are aligned in the file and in memory: straight to the disk, if
    /// the file was opened for that and its file system can.
    fn write_blocks_at(&self, at: u64, blocks: &[u8]) -> io::Result<()> {
        self.write_at(at, blocks)
    }
    /// The same for pieces that follow one another, each of them aligned.
    fn write_pieces_at(&self, at: u64, pieces: &[&[u8]]) -> io::Result<()> {
        let mut at = at;
        for piece in pieces {
            self.write_blocks_at(at, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
    /// Reads like [`DiskFile::write_blocks_at`] writes: what was never in the system's cache need
    /// not go through it.
    fn read_blocks_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_at(at, into)
    }
    /// Makes everything written so far durable, the file's length included.
    fn sync(&self) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    /// Reserves space up to `bytes` so that later writes within cannot run out of it.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
}

/// The file that keeps a second process out.
pub const LOCK: &str = "lock";

/// A real directory, locked against a second process for as long as this value lives.
pub struct Directory {
    path: PathBuf,
    /// Kept open: making a segment's name durable must not depend on a free descriptor.
    itself: File,
    #[expect(dead_code, reason = "held for its lock")]
    lock: File,
    /// Whether blocks can go past the system's cache here.
    is_direct: bool,
}

impl Directory {
    /// Makes the directory if need be, and locks it.
    pub fn lock(path: &Path) -> Result<Directory, OpenError> {
        let failed = || OpenError::disk(format!("data directory {}", path.display()));
        make(path).map_err(failed())?;
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true);
        let lock = options.open(path.join(LOCK)).map_err(failed())?;
        let exclusive = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        match rustix::fs::flock(&lock, exclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::InUse(path.display().to_string()));
            }
            locked => locked.map_err(|error| failed()(error.into()))?,
        }
        let is_direct = try_direct(&path.join(LOCK)).is_ok();
        tracing::debug!(is_direct, "blocks of the log go past the page cache");
        Ok(Directory {
            is_direct,
            path: path.to_owned(),
            itself: File::open(path).map_err(failed())?,
            lock,
        })
    }
}

/// Makes the directory, and makes its making durable: what is in it is no safer than its name.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(path)?;
    File::open(path.join(".."))?.sync_all()
}

/// Opens a file that exists, for what goes past the system's cache.
fn open_direct(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
}

/// Writes a block past the system's cache, into a file whose contents mean nothing. Some file
/// systems refuse at once, others only then.
fn try_direct(path: &Path) -> io::Result<()> {
    let block = zero_blocks(BLOCK_BYTES as usize);
    open_direct(path)?.write_all_at(&block, 0)
}

impl Directory {
    fn open_file(&self, name: &str, mode: Open) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(mode == Open::New)
            .open(self.path.join(name))
    }
}

impl Disk for Directory {
    fn open(&self, name: &str, mode: Open) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.open_file(name, mode)?))
    }

    fn open_for_blocks(&self, name: &str, mode: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.open_file(name, mode)?;
        if !self.is_direct {
            return Ok(Arc::new(file));
        }
        let direct = open_direct(&self.path.join(name))?;
        Ok(Arc::new(BlockFile { file, direct }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.itself.sync_all()
    }
}

impl DiskFile for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, at)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        match rustix::fs::fallocate(self, flags, 0, bytes) {
            // A file system that cannot promise space still gives the length.
            Err(rustix::io::Errno::OPNOTSUPP) => self.set_len(bytes),
            allocated => Ok(allocated?),
        }
    }
}

/// A file with a second descriptor for what goes past the system's cache.
struct BlockFile {
    file: File,
    direct: File,
}

impl DiskFile for BlockFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn write_blocks_at(&self, at: u64, blocks: &[u8]) -> io::Result<()> {
        self.direct.write_all_at(blocks, at)
    }

    fn write_pieces_at(&self, at: u64, pieces: &[&[u8]]) -> io::Result<()> {
        if let [piece] = pieces {
            return self.write_blocks_at(at, piece);
        }
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let (mut rest, mut at) = (&mut slices[..], at);
        while !rest.is_empty() {
            let written = retry_on_intr(|| pwritev(&self.direct, rest, at))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, written);
            at += written as u64;
        }
        Ok(())
    }

    fn read_blocks_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.direct.read_exact_at(into, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.file)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }
}
