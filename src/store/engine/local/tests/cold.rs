//! Readers of what is no longer in memory.

use super::*;
use crate::store::engine::local::segment::BLOCK_BYTES;

const BATCHES: u8 = 60;
/// Long enough to be read past the page cache, each of another length.
fn fill(at: u8) -> Vec<u8> {
    vec![at; 70_000 + 1000 * usize::from(at)]
}

/// A file that counts what is read from it past the page cache, and checks how.
struct BlocksFile {
    file: Arc<dyn DiskFile>,
    direct: Arc<AtomicUsize>,
}

impl DiskFile for BlocksFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_at(at, into)
    }

    fn read_blocks_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let block = usize::try_from(BLOCK_BYTES).unwrap();
        assert!(at.is_multiple_of(BLOCK_BYTES) && into.len().is_multiple_of(block));
        assert!(into.as_ptr().addr().is_multiple_of(block));
        self.direct.fetch_add(1, Ordering::Relaxed);
        self.file.read_blocks_at(at, into)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }
}

/// An engine with next to nothing in memory, filled for P; segments are adopted or folded.
async fn filled(dir: &TempDir, adopt_run_bytes_min: u64, direct: Arc<AtomicUsize>) -> Local {
    let settings = LocalSettings {
        tail_cache_bytes: 4096,
        first_segment_bytes: 1 << 20,
        log_segment_bytes: 1 << 20,
        adopt_run_bytes_min,
        ..settings()
    };
    let disk = Watched {
        directory: Directory::lock(dir.path()).unwrap(),
        opened: move |_: &str, _, file| -> Arc<dyn DiskFile> {
            let direct = direct.clone();
            Arc::new(BlocksFile { file, direct })
        },
    };
    let local = Local::open(Arc::new(disk), Clock::system(), settings, Pace::Threads).unwrap();
    commit(&local, open_partition(P)).await;
    for at in 0..BATCHES {
        commit(&local, append(P, 1, &fill(at))).await;
    }
    local
}

async fn commit(local: &Local, atom: Vec<Intent>) {
    let answer = local.commit(vec![atom]).await.unwrap();
    answer.unwrap()[0].as_ref().unwrap();
}

async fn read_some(local: &Local, from: u64, bytes_max: usize) -> Result<Vec<Run>, ReadError> {
    let read = Read {
        partition: P,
        from: Offset(from),
        bytes_max,
    };
    local.read(read).await
}

/// Checks what was read from an offset on, and tells where it ends.
fn check(runs: &[Run], mut from: u64) -> u64 {
    for run in runs {
        let mut at = 0;
        for info in &run.batches {
            let end = at + info.bytes as usize;
            let batch = Batch::parse(run.bytes.slice(at..end)).unwrap();
            assert_eq!(batch.base_offset(), Offset(from));
            assert_eq!(batch.records_bytes(), fill(u8::try_from(from).unwrap()));
            (at, from) = (end, from + 1);
        }
        assert_eq!(at, run.bytes.len());
    }
    from
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_reader_gets_every_batch_in_order_whatever_it_asks_for_at_once() {
    for adopt_run_bytes_min in [0, u64::MAX] {
        let dir = TempDir::new().unwrap();
        let direct = Arc::new(AtomicUsize::new(0));
        let local = filled(&dir, adopt_run_bytes_min, direct.clone()).await;
        let before = direct.load(Ordering::Relaxed);
        for bytes_max in [1, 150_000, 400_000, 3 << 20, usize::MAX] {
            let mut from = 0;
            while from < u64::from(BATCHES) {
                let runs = read_some(&local, from, bytes_max).await.unwrap();
                let bytes: usize = runs.iter().map(|run| run.bytes.len()).sum();
                assert!(bytes <= bytes_max || runs[0].batches.len() == 1);
                let next = check(&runs, from);
                assert!(next > from);
                from = next;
            }
        }
        assert!(direct.load(Ordering::Relaxed) > before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_asks_for_less_than_was_read_ahead_misses_nothing() {
    let dir = TempDir::new().unwrap();
    let local = filled(&dir, 0, Arc::default()).await;
    let mut from = 0;
    for bytes_max in [
        400_000, 400_000, 400_000, 100_000, 1, 400_000, 250_000, 1, 1,
    ] {
        let runs = read_some(&local, from, bytes_max).await.unwrap();
        let bytes: usize = runs.iter().map(|run| run.bytes.len()).sum();
        assert!(bytes <= bytes_max || bytes == runs[0].batches[0].bytes as usize);
        from = check(&runs, from);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_trimmed_is_not_read_although_it_was_read_ahead() {
    let dir = TempDir::new().unwrap();
    let local = filled(&dir, 0, Arc::default()).await;
    let mut from = 0;
    for _ in 0..4 {
        from = check(&read_some(&local, from, 200_000).await.unwrap(), from);
    }
    let start = Offset(from + 1);
    let trim = Intent::Trim {
        partition: P,
        to: start,
    };
    commit(&local, vec![trim]).await;
    let found = read_some(&local, from, 200_000).await;
    assert!(matches!(found, Err(ReadError::OutOfRange { .. })));
    let runs = read_some(&local, start.0, 200_000).await.unwrap();
    assert!(check(&runs, start.0) > start.0);
}
