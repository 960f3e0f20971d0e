//! Writes through both protocols, kills the server at random moments, starts it again, and compares
//! what it kept with what it acknowledged.
//!
//! `braid-crash --braid target/release/braid --rounds 50 --seed 1`; `--keep` leaves the data
//! directory behind when something was wrong.

mod chance;
mod commits;
mod judge;
mod ledger;
mod read;
mod round;
mod sabotage;
mod server;
mod streams;
mod writers;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line asks for.
struct Asked {
    braid: PathBuf,
    rounds: usize,
    seed: u64,
    keep: bool,
    /// Further arguments for the server, after `--`.
    server: Vec<String>,
}

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    let outcome = match asked() {
        Ok(asked) => round::run(asked).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(summary) => {
            println!("figure: {summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("FAIL  crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn asked() -> Result<Asked> {
    let mut asked = Asked {
        braid: PathBuf::from("target/release/braid"),
        rounds: 50,
        seed: u64::from(std::process::id()),
        keep: false,
        server: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{argument} of what?"))
        };
        match argument.as_str() {
            "--braid" => asked.braid = value()?.into(),
            "--rounds" => asked.rounds = value()?.parse().context("--rounds")?,
            "--seed" => asked.seed = value()?.parse().context("--seed")?,
            "--keep" => asked.keep = true,
            "--" => {
                asked.server = arguments.collect();
                break;
            }
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(asked)
}
