//! Runs checks one after the other, each with a bound in time, and prints one line for each.

use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Time after which one check has failed.
pub const CHECK_SECONDS_MAX: u64 = 60;

/// The checks of one lane: what ran and what failed.
pub struct Checks {
    /// Parts of names, from the command line; empty runs everything.
    wanted: Vec<String>,
    ran: usize,
    failed: usize,
}

impl Checks {
    /// Runs only the checks whose names contain one of the arguments, or all if there are none.
    /// The whole process ends with a failure once `minutes_max` have passed.
    pub fn from_args(minutes_max: u64) -> Checks {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(60 * minutes_max));
            println!("FAIL  the lane did not end within {minutes_max} minutes");
            std::process::exit(1);
        });
        Checks {
            wanted: std::env::args().skip(1).collect(),
            ran: 0,
            failed: 0,
        }
    }

    /// Runs one check; `name` is a sentence about the product.
    pub async fn check<F>(&mut self, name: &str, body: F)
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|part| name.contains(part)) {
            return;
        }
        self.ran += 1;
        let began = Instant::now();
        let bound = Duration::from_secs(CHECK_SECONDS_MAX);
        let outcome = match tokio::time::timeout(bound, body).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("not done after {CHECK_SECONDS_MAX} s")),
        };
        let ms = began.elapsed().as_millis();
        match outcome {
            Ok(()) => println!("ok    {name} ({ms} ms)"),
            Err(error) => {
                self.failed += 1;
                println!("FAIL  {name} ({ms} ms): {error:#}");
            }
        }
    }

    /// Prints the sum and says how the process should end.
    pub fn finish(self, lane: &str) -> ExitCode {
        println!("{lane}: {} checks, {} failed", self.ran, self.failed);
        if self.ran == 0 || self.failed > 0 {
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

/// A name that no earlier run used on the same server.
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{count}", std::process::id())
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
