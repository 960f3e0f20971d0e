//! What a run is asked for on the command line.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

pub const USAGE: &str = "[--quick] [--rounds N] [--rows a,b] [--peers a,b] [--out FILE]
    [--braid FILE] [--cache DIR] [--data DIR]";

pub struct Options {
    /// Small counts and one round, to see that everything works; its figures say nothing.
    pub quick: bool,
    pub rounds: usize,
    /// Parts of the names of the rows to run; all if empty.
    pub rows: Vec<String>,
    /// Names of the peers to run; all if empty.
    pub peers: Vec<String>,
    pub out: Option<PathBuf>,
    pub braid: PathBuf,
    /// Where peers are installed.
    pub cache: PathBuf,
    /// Where the servers keep their data while they run.
    pub data: PathBuf,
}

impl Options {
    pub fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options {
            quick: false,
            rounds: 0,
            rows: Vec::new(),
            peers: Vec::new(),
            out: None,
            braid: "target/release/braid".into(),
            cache: "target/bench-peers".into(),
            data: std::env::temp_dir(),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if name == "--quick" {
                options.quick = true;
                continue;
            }
            let value = rest
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => options.rounds = value.parse().context("--rounds")?,
                "--rows" => options.rows = words(value),
                "--peers" => options.peers = words(value),
                "--out" => options.out = Some(value.into()),
                "--braid" => options.braid = value.into(),
                "--cache" => options.cache = value.into(),
                "--data" => options.data = value.into(),
                _ => bail!("{name} is unknown: braid-bench run {USAGE}"),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 1 } else { 3 };
        }
        Ok(options)
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}
