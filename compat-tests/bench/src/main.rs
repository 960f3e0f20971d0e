//! The benchmark: loads for both protocols, and runs of braid and its peers side by side.
//!
//! `braid-bench load JOB` carries out one load and prints what came of it as a line of JSON;
//! `braid-bench run` starts every peer in turn, runs that command against it, and prints a table;
//! `braid-bench grow` measures how braid's cost grows, and draws it.

mod grow;
mod job;
mod kafka;
mod kinesis;
mod limits;
mod options;
mod peer;
mod process;
mod report;
mod row;
mod runner;
mod table;

use anyhow::{Result, bail};
use options::Options;

/// Also what librdkafka allocates: with the C library's allocator its two threads wait for each
/// other at every message that one makes and the other frees, and that would be measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, [job])) if command == "load" => {
            let loaded = job::carry_out(&serde_json::from_str(job)?)?;
            println!("{}", serde_json::to_string(&loaded)?);
            Ok(())
        }
        Some((command, rest)) if command == "run" => runner::run(&Options::parse(rest)?),
        Some((command, rest)) if command == "grow" => grow::run(&Options::parse(rest)?),
        _ => bail!(
            "usage: braid-bench load JOB | braid-bench run {0} | braid-bench grow {0}",
            options::USAGE
        ),
    }
}
