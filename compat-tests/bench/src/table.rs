//! The table that a run ends with.

use crate::peer::Peer;
use crate::report::{Outcome, Report, Verdict};
use crate::row::{Figure, Row};
use std::fmt::Write;

pub fn text(report: &Report, rows: &[Row]) -> String {
    let mut text = String::new();
    limits(report, &mut text);
    for row in rows {
        // Writing to a string cannot fail.
        writeln!(text, "\n{}", row.name).ok();
        for &peer in &row.peers {
            peer_line(report, row, peer, &mut text);
        }
        for verdict in report
            .verdicts
            .iter()
            .filter(|verdict| verdict.row == row.name)
        {
            writeln!(text, "    {}", sentence(verdict)).ok();
        }
    }
    let misses = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.outcome == Outcome::Misses);
    let (misses, all) = (misses.count(), report.verdicts.len());
    writeln!(
        text,
        "\n{} of {all} targets hold or are bound by the client",
        all - misses
    )
    .ok();
    text
}

fn limits(report: &Report, text: &mut String) {
    for limits in &report.limits {
        let (small, large) = (limits.sync_4_kib, limits.sync_1_mib);
        writeln!(
            text,
            "this machine: fdatasync of 4 KiB p50 {:.3} p99 {:.3} ms, of 1 MiB p50 {:.2} \
             p99 {:.2} ms, loopback {:.0} MB/s",
            small.p50_ms, small.p99_ms, large.p50_ms, large.p99_ms, limits.loopback_mb_per_second
        )
        .ok();
    }
}

fn peer_line(report: &Report, row: &Row, peer: Peer, text: &mut String) {
    let figures = Figure::ALL.iter();
    let known = figures.filter_map(|&figure| {
        let median = report.median(&row.name, peer, figure)?;
        Some(figure.show(median))
    });
    let known: Vec<String> = known.collect();
    if known.is_empty() {
        return;
    }
    let bound = if report.is_client_bound(&row.name, peer) {
        " (client-bound)"
    } else {
        ""
    };
    writeln!(text, "  {:<21}{}{bound}", peer.name(), known.join("  ")).ok();
}

fn sentence(verdict: &Verdict) -> String {
    let Verdict {
        figure,
        found,
        must,
        aim,
        ..
    } = verdict;
    let (against, unit) = match verdict.peer {
        Some(peer) => (format!(" vs {}", peer.name()), "×"),
        None => (String::new(), ""),
    };
    let sign = if figure.is_rate() { '≥' } else { '≤' };
    let outcome = match verdict.outcome {
        Outcome::Aim => "holds, aim reached",
        Outcome::Must => "holds",
        Outcome::ClientBound => "client-bound",
        Outcome::Misses => "MISSES",
    };
    let name = figure.name();
    format!("{name}{against}: {found:.2}{unit} (must {sign} {must:.2}, aim {aim:.2}): {outcome}")
}
