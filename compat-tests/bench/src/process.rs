//! What the kernel tells about a process: processor time, memory, context switches.

use anyhow::{Context, Result, anyhow};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// Clock ticks in a second, as in every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of this process, to the nanosecond.
pub fn own_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// Processor time of this thread.
pub fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// Seconds of processor time that a process has used, in user mode and in the kernel.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    ticks(&format!("/proc/{pid}/stat"), 11)
}

/// The same for this process's children that have ended.
pub fn children_cpu_seconds() -> Result<f64> {
    ticks("/proc/self/stat", 13)
}

/// Two neighbouring fields of a stat file, in seconds; fields are counted behind the name.
fn ticks(path: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .context("a stat file without a name")?;
    let numbers = fields.split(' ').skip(first).take(2).map(str::parse::<f64>);
    let sum: f64 = numbers.sum::<Result<f64, _>>()?;
    Ok(sum / TICKS_PER_SECOND)
}

/// Seconds of processor time of each thread of this process, by thread id.
pub fn threads_cpu_seconds() -> Vec<(String, f64)> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let of_task = |task: fs::DirEntry| {
        let id = task.file_name().to_string_lossy().into_owned();
        let seconds = ticks(&format!("/proc/self/task/{id}/stat"), 11).ok()?;
        Some((id, seconds))
    };
    tasks.flatten().filter_map(of_task).collect()
}

/// A line of `/proc/<pid>/status` that counts KiB, in MiB.
pub fn status_mib(pid: u32, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim_matches([':', '\t', ' ']).split(' ').next());
    let kib: f64 = kib.ok_or_else(|| anyhow!("no {name} of {pid}"))?.parse()?;
    Ok(kib / 1024.0)
}

/// Lets the peak of a process's memory start anew from what it takes now.
pub fn forget_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting the memory peak")
}

/// Context switches of all threads of a process that live.
pub fn switches(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let of_task = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        let counts = lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        counts.sum::<u64>()
    };
    tasks.flatten().map(of_task).sum()
}
