//! Everything that a run found: each measurement, the medians, and the verdicts.

use crate::job::Loaded;
use crate::limits::Limits;
use crate::options::Options;
use crate::peer::Peer;
use crate::row::{Bound, Figure, Row, Target};
use crate::runner::Found;
use anyhow::{Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// A thread that runs for so much of the time bounds what its process does.
const BUSY_SHARE: f64 = 0.85;

#[derive(Serialize)]
pub struct Report {
    commit: String,
    unix_seconds: u64,
    cores: usize,
    pub quick: bool,
    pub rounds: usize,
    pub limits: Vec<Limits>,
    pub verdicts: Vec<Verdict>,
    pub measurements: Vec<Measurement>,
}

/// One row, one peer, one round.
#[derive(Serialize)]
pub struct Measurement {
    row: String,
    peer: Peer,
    round: usize,
    figures: BTreeMap<Figure, f64>,
    loaded: Option<Loaded>,
    pub error: Option<String>,
}

/// What became of one target.
#[derive(Serialize)]
pub struct Verdict {
    pub row: String,
    pub figure: Figure,
    /// What braid is compared with; the figure itself is judged if there is none.
    pub peer: Option<Peer>,
    /// The ratio, or the figure.
    pub found: f64,
    pub must: f64,
    pub aim: f64,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Aim,
    Must,
    /// It misses, and the client could not have sent or read any faster.
    ClientBound,
    Misses,
}

impl Measurement {
    pub fn new(row: &Row, peer: Peer, round: usize) -> Measurement {
        Measurement {
            row: row.name.clone(),
            peer,
            round,
            figures: BTreeMap::new(),
            loaded: None,
            error: None,
        }
    }

    pub fn take(&mut self, found: Found) {
        self.figures.extend(found.figures);
        if let Some(loaded) = &found.loaded {
            let figures = Figure::ALL.iter();
            let known = figures.filter_map(|&figure| Some((figure, figure.of(loaded)?)));
            self.figures.extend(known);
        }
        self.loaded = found.loaded;
    }

    pub fn line(&self) -> String {
        let Measurement {
            row, peer, round, ..
        } = self;
        let name = peer.name();
        let figures: Vec<String> = match &self.error {
            Some(error) => vec![error.clone()],
            None => self
                .figures
                .iter()
                .map(|(figure, value)| figure.show(*value))
                .collect(),
        };
        format!("round {} {name}: {row}: {}", round + 1, figures.join(", "))
    }
}

impl Report {
    pub fn new(options: &Options) -> Report {
        let commit = Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .output();
        let commit = commit.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Report {
            commit: commit.unwrap_or_default(),
            unix_seconds: now.map_or(0, |now| now.as_secs()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            quick: options.quick,
            rounds: options.rounds,
            limits: Vec::new(),
            verdicts: Vec::new(),
            measurements: Vec::new(),
        }
    }

    /// The middle of all rounds.
    pub fn median(&self, row: &str, peer: Peer, figure: Figure) -> Option<f64> {
        let here = self
            .measurements
            .iter()
            .filter(|one| one.row == row && one.peer == peer);
        median(
            here.filter_map(|one| one.figures.get(&figure).copied())
                .collect(),
        )
    }

    /// Whether the client had a thread that could not do more.
    pub fn is_client_bound(&self, row: &str, peer: Peer) -> bool {
        let here = self
            .measurements
            .iter()
            .filter(|one| one.row == row && one.peer == peer);
        let shares = here.filter_map(|one| Some(one.loaded.as_ref()?.client_busiest));
        median(shares.collect()).is_some_and(|share| share >= BUSY_SHARE)
    }

    /// The 99th percentile of a small write's sync, in milliseconds.
    pub fn sync_p99_ms(&self) -> Option<f64> {
        median(
            self.limits
                .iter()
                .map(|limits| limits.sync_4_kib.p99_ms)
                .collect(),
        )
    }

    pub fn judge(&mut self, rows: &[Row]) {
        for row in rows {
            let verdicts = row
                .targets
                .iter()
                .filter_map(|target| self.verdict(&row.name, target));
            let verdicts: Vec<Verdict> = verdicts.collect();
            self.verdicts.extend(verdicts);
        }
    }

    fn verdict(&self, row: &str, target: &Target) -> Option<Verdict> {
        let figure = target.figure;
        let braid = self.median(row, Peer::Braid, figure)?;
        let (peer, found, must, aim) = match target.bound {
            Bound::Value => (None, braid, target.must, target.aim),
            Bound::Of(peer) => {
                let found = braid / self.median(row, peer, figure)?;
                (Some(peer), found, target.must, target.aim)
            }
            Bound::OfOrThreeSyncs(peer) => {
                let must = target.must * self.median(row, peer, figure)?;
                (None, braid, must.max(3.0 * self.sync_p99_ms()?), target.aim)
            }
        };
        let holds = |bound: f64| {
            if figure.is_rate() {
                found >= bound
            } else {
                found <= bound
            }
        };
        let outcome = match () {
            () if holds(aim) => Outcome::Aim,
            () if holds(must) => Outcome::Must,
            () if figure.is_rate() && self.is_client_bound(row, Peer::Braid) => {
                Outcome::ClientBound
            }
            () => Outcome::Misses,
        };
        let row = row.to_owned();
        Some(Verdict {
            row,
            figure,
            peer,
            found,
            must,
            aim,
            outcome,
        })
    }

    /// Fails unless every row has figures, all above zero, for every peer that it was run on.
    pub fn must_have_its_shape(&self, rows: &[Row], peers: &[Peer]) -> Result<()> {
        for one in &self.measurements {
            ensure!(one.error.is_none(), "{}", one.line());
        }
        for row in rows {
            for &peer in peers.iter().filter(|peer| row.peers.contains(peer)) {
                let name = peer.name();
                let figures = Figure::ALL.map(|figure| self.median(&row.name, peer, figure));
                let known: Vec<f64> = figures.into_iter().flatten().collect();
                ensure!(!known.is_empty(), "{name}: {}: no figure", row.name);
                ensure!(
                    known
                        .iter()
                        .all(|figure| figure.is_finite() && *figure >= 0.0)
                );
                let rate = self.median(&row.name, peer, Figure::Rate);
                ensure!(rate != Some(0.0), "{name}: {}: no record", row.name);
            }
        }
        let again: serde_json::Value = serde_json::from_str(&serde_json::to_string(self)?)?;
        let kept = again["measurements"].as_array().map_or(0, Vec::len);
        ensure!(
            kept == self.measurements.len(),
            "the JSON lacks measurements"
        );
        Ok(())
    }
}

/// The middle one, or what lies between the middle two.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
