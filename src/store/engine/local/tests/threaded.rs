//! The engine on threads of its own: shared syncs, and what goes on behind the producers.

use super::*;
use crate::config::Durability;
use parking_lot::Mutex;
use std::thread::{self, ThreadId};

/// Who has synced a file.
type Syncs = Arc<Mutex<Vec<ThreadId>>>;

/// A file that notes its syncs.
struct NotingFile {
    file: Arc<dyn DiskFile>,
    syncs: Syncs,
}

impl DiskFile for NotingFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_at(at, into)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.lock().push(thread::current().id());
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }
}

/// An engine on a directory that notes its syncs.
fn open_noting(dir: &TempDir, settings: LocalSettings) -> (Local, Syncs) {
    let syncs = Syncs::default();
    let noted = syncs.clone();
    let disk = Watched {
        directory: Directory::lock(dir.path()).unwrap(),
        opened: move |_: &str, _, file| -> Arc<dyn DiskFile> {
            let syncs = noted.clone();
            Arc::new(NotingFile { file, syncs })
        },
    };
    let local = Local::open(Arc::new(disk), Clock::system(), settings, Pace::Threads);
    (local.unwrap(), syncs)
}

/// Commits one atom by way of the threads.
async fn acknowledged(local: &Local, atom: Vec<Intent>) {
    let answer = local.commit(vec![atom]).await.unwrap();
    answer.unwrap()[0].as_ref().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_acknowledge_and_stop() {
    let dir = TempDir::new().unwrap();
    let local = open_with(&dir, settings(), Pace::Threads).unwrap();
    acknowledged(&local, open_partition(P)).await;
    let answers: Vec<_> = (0..100)
        .map(|_| local.commit(vec![append(P, 1, &[1; 1024])]))
        .collect();
    for answer in answers {
        answer.await.unwrap().unwrap()[0].as_ref().unwrap();
    }
    local.stop().await;
    let late = local.commit(vec![put(1)]).await.unwrap();
    assert_eq!(late, Err(EngineError::Stopping));
    drop(local);
    assert_eq!(open(&dir).status(P).unwrap().high_watermark, Offset(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_at_the_same_time_share_their_syncs() {
    let dir = TempDir::new().unwrap();
    let large = LocalSettings::from(&StoreConfig::default());
    let (local, syncs) = open_noting(&dir, large);
    acknowledged(&local, open_partition(P)).await;
    let before = syncs.lock().len();

    // Sixty-four producers at a time, each waiting for its answer.
    for _ in 0..20 {
        let answers = (0..64).map(|_| local.commit(vec![append(P, 1, &[7; 1024])]));
        for answer in answers.collect::<Vec<_>>() {
            answer.await.unwrap().unwrap()[0].as_ref().unwrap();
        }
    }

    let shared = syncs.lock().len() - before;
    println!("{shared} syncs for {} commits", 20 * 64);
    assert!(shared * 8 < 20 * 64, "{shared} syncs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_threads_fold_and_recycle_behind_the_producers() {
    let dir = TempDir::new().unwrap();
    let cold = LocalSettings {
        tail_cache_bytes: 64 << 10,
        ..settings()
    };
    let local = open_with(&dir, cold, Pace::Threads).unwrap();
    acknowledged(&local, open_partition(P)).await;
    for at in 0..200_u8 {
        acknowledged(&local, append(P, 1, &vec![at; 5000])).await;
    }
    let read = Read {
        partition: P,
        from: Offset(0),
        bytes_max: usize::MAX,
    };
    let runs = local.read(read).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.batches.len()).sum::<usize>(), 200);
    local.stop().await;
    drop(local);

    let local = open(&dir);
    let expected: Vec<_> = (0..200_u8).map(|at| vec![at; 5000]).collect();
    assert_eq!(fills(&local, P, 0), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_waited_for_alone_is_durable_when_the_call_returns() {
    let dir = TempDir::new().unwrap();
    let local = open_with(&dir, settings(), Pace::Threads).unwrap();
    let mut opened = local.commit_and_wait(vec![open_partition(P)]);
    opened.try_recv().unwrap().unwrap()[0].as_ref().unwrap();
    // After some of them in a row the engine no longer gives the thread's other tasks away.
    for _ in 0..40 {
        let mut appended = local.commit_and_wait(vec![append(P, 1, b"alone")]);
        appended.try_recv().unwrap().unwrap()[0].as_ref().unwrap();
    }
    drop(local);
    assert_eq!(open(&dir).status(P).unwrap().high_watermark, Offset(40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_system_may_keep_is_not_synced_by_who_waits_for_it() {
    let dir = TempDir::new().unwrap();
    let kept_by_the_system = LocalSettings {
        durability: Durability::Os,
        ..LocalSettings::from(&StoreConfig::default())
    };
    let (local, syncs) = open_noting(&dir, kept_by_the_system);
    acknowledged(&local, open_partition(P)).await;
    for _ in 0..40 {
        let mut appended = local.commit_and_wait(vec![append(P, 1, b"alone")]);
        appended.try_recv().unwrap().unwrap()[0].as_ref().unwrap();
    }
    assert!(!syncs.lock().contains(&thread::current().id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_that_are_waited_for_beside_others_are_all_kept_once() {
    const CALLERS: u8 = 16;
    const EACH: usize = 25;
    let dir = TempDir::new().unwrap();
    let local = Arc::new(open_with(&dir, settings(), Pace::Threads).unwrap());
    acknowledged(&local, open_partition(P)).await;
    let call = |caller: u8| {
        let local = local.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                let atoms = vec![append(P, 1, &[caller; 100])];
                let answer = match caller % 2 {
                    0 => local.commit_and_wait(atoms),
                    _ => local.commit(atoms),
                };
                answer.await.unwrap().unwrap()[0].as_ref().unwrap();
            }
        })
    };
    for caller in (0..CALLERS).map(call).collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    // Without an orderly end.
    drop(local);

    let kept = fills(&open(&dir), P, 0);
    assert_eq!(kept.len(), usize::from(CALLERS) * EACH);
    for caller in 0..CALLERS {
        let of_caller = kept.iter().filter(|fill| fill[0] == caller);
        assert_eq!(of_caller.count(), EACH);
    }
}
