//! How the cost grows: curves over partitions, connections, consumers, groups, data kept, record
//! size and codec, each point measured on a server of its own.

mod connections;
mod consumers;
mod curve;
mod draw;
mod figures;
mod ground;
mod groups;
mod kept;
mod partitions;
mod produce;
mod records;
mod wire;

use crate::options::Options;
use anyhow::{Context, Result, ensure};
use curve::{Curve, Grown};
use ground::Ground;
use std::fs;
use std::path::Path;

/// A curve's name, and what measures it.
type Measure = (&'static str, fn(&Ground) -> Result<Curve>);

const CURVES: [Measure; 8] = [
    ("partitions", partitions::measure),
    ("connections-idle", connections::idle),
    ("connections-active", connections::active),
    ("consumers", consumers::measure),
    ("groups", groups::measure),
    ("kept", kept::measure),
    ("record-size", records::sizes),
    ("codec", records::codecs),
];

/// Measures the curves, writes them to `--out`, and draws them beside it.
pub fn run(options: &Options) -> Result<()> {
    let is_wanted = |name: &str| options.rows.iter().any(|part| name.contains(part.as_str()));
    let out = options.out.as_deref();
    let out = out.unwrap_or(Path::new("docs/performance/curves.json"));
    let mut grown = read(out)?;
    for (name, measure) in CURVES {
        if !options.rows.is_empty() && !is_wanted(name) {
            continue;
        }
        eprintln!("{name}");
        let load_before = load_average()?;
        let mut curve = measure(&Ground::new(options)?).with_context(|| name.to_owned())?;
        curve.load_before = load_before;
        ensure!(!curve.points.is_empty(), "{name} has no point");
        grown.put(name, curve);
    }
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(out, serde_json::to_string_pretty(&grown)? + "\n")?;
    draw::all(&grown, out.parent().unwrap_or(Path::new(".")))
}

/// What was measured before: a part of the curves may be measured anew.
fn read(out: &Path) -> Result<Grown> {
    match fs::read_to_string(out) {
        Ok(text) => serde_json::from_str(&text).with_context(|| out.display().to_string()),
        Err(_) => Ok(Grown::default()),
    }
}

fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().context("a load average")?;
    Ok(first.parse()?)
}
