//! Curves as SVG: a figure has panels, a panel has lines over one axis.

use super::curve::{Curve, Grown, Point};
use super::figures::{FIGURES, Figure, Panel, Scale};
use anyhow::Result;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Panels beside each other.
const COLUMNS: usize = 2;
const PANEL_WIDTH: f64 = 330.0;
const PANEL_HEIGHT: f64 = 260.0;
/// Of a panel, around its axes.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 44.0;
const LEGEND_WIDTH: f64 = 88.0;
const COLORS: [&str; 4] = ["#1b6ca8", "#c4501b", "#3a7d44", "#7b4b94"];

/// Draws every curve that was measured into a folder.
pub fn all(grown: &Grown, folder: &Path) -> Result<()> {
    for figure in &FIGURES {
        if let Some(curve) = grown.curves.get(figure.name) {
            let file = folder.join(format!("{}.svg", figure.name));
            fs::write(file, figure.svg(curve))?;
        }
    }
    Ok(())
}

impl Figure {
    fn svg(&self, curve: &Curve) -> String {
        let rows = self.panels.len().div_ceil(COLUMNS);
        let (width, height) = (PANEL_WIDTH * COLUMNS as f64, PANEL_HEIGHT * rows as f64);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        for (at, panel) in self.panels.iter().enumerate() {
            let left = PANEL_WIDTH * (at % COLUMNS) as f64;
            let top = PANEL_HEIGHT * (at / COLUMNS) as f64;
            put(
                &mut svg,
                format_args!("<g transform=\"translate({left} {top})\">"),
            );
            panel.draw(&mut svg, curve, self.x);
            put(&mut svg, format_args!("</g>"));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, curve: &Curve, x_title: &str) {
        let x = Axis::across(curve);
        let y = Axis::up(self.values(curve), self.scale);
        let (middle, base) = ((LEFT + PANEL_WIDTH - RIGHT) / 2.0, PANEL_HEIGHT - BOTTOM);
        put(
            svg,
            format_args!(
                "<text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">{}</text>\
                 <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{x_title}</text>",
                self.title,
                PANEL_HEIGHT - 8.0
            ),
        );
        for (value, label) in &y.ticks {
            let at = y.place(*value);
            put(
                svg,
                format_args!(
                    "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
                     text-anchor=\"end\">{label}</text>",
                    PANEL_WIDTH - RIGHT,
                    LEFT - 6.0,
                    at + 4.0
                ),
            );
        }
        for (value, label) in &x.ticks {
            let at = x.place(*value);
            put(
                svg,
                format_args!(
                    "<path d=\"M{at:.1} {base}v4\" stroke=\"#333\"/><text x=\"{at:.1}\" \
                     y=\"{}\" text-anchor=\"middle\">{label}</text>",
                    base + 16.0
                ),
            );
        }
        for (at, name) in distinct(self.lines).iter().enumerate() {
            self.line(svg, curve, at, (&x, &y));
            legend(svg, at, name);
        }
    }

    fn values<'a>(&'a self, curve: &'a Curve) -> impl Iterator<Item = f64> + 'a {
        let of_line = |name: &'a &str| curve.points.iter().filter_map(|p| p.values.get(*name));
        self.lines.iter().flat_map(of_line).copied()
    }

    fn line(&self, svg: &mut String, curve: &Curve, at: usize, (x, y): (&Axis, &Axis)) {
        let points = curve.points.iter().filter_map(|point| {
            let value = point.values.get(self.lines[at])?;
            Some((x.place(point.x), y.place(*value)))
        });
        let color = COLORS[at % COLORS.len()];
        let mut path = String::new();
        for (at, (x, y)) in points.enumerate() {
            let step = if at == 0 { 'M' } else { 'L' };
            write!(path, "{step}{x:.1} {y:.1}").expect("a string takes everything");
            put(
                svg,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>"),
            );
        }
        put(
            svg,
            format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
            ),
        );
    }
}

fn legend(svg: &mut String, at: usize, name: &str) {
    let color = COLORS[at % COLORS.len()];
    let left = LEFT + LEGEND_WIDTH * at as f64;
    put(
        svg,
        format_args!("<text x=\"{left}\" y=\"32\" fill=\"{color}\">{name}</text>"),
    );
}

/// What tells the lines of a panel apart: their names without the words that all of them share
/// at either end.
fn distinct(lines: &[&str]) -> Vec<String> {
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let shared = |at: &dyn Fn(&Vec<&str>, usize) -> Option<String>| {
        let is_shared = |number: &usize| {
            let first = at(&words[0], *number);
            first.is_some() && words.iter().all(|words| at(words, *number) == first)
        };
        (0..).take_while(is_shared).count()
    };
    let front = shared(&|words, number| words.get(number).map(ToString::to_string));
    let back = shared(&|words, number| words.iter().rev().nth(number).map(ToString::to_string));
    let rest =
        |words: &Vec<&str>| words[front..words.len().saturating_sub(back).max(front)].join(" ");
    words.iter().map(rest).collect()
}

/// A scale with its ticks, from values to places in a panel.
struct Axis {
    ticks: Vec<(f64, String)>,
    /// Both ends, as values and as places.
    values: (f64, f64),
    places: (f64, f64),
    scale: Scale,
}

impl Axis {
    /// Logarithmic, with a tick at each point.
    fn across(curve: &Curve) -> Axis {
        let points = &curve.points;
        let is_named = points.iter().any(|point| point.label.is_some());
        let ticks = points.iter().map(|point| {
            let label = point.label.clone().unwrap_or_else(|| short(point.x));
            (point.x, label)
        });
        let end = |point: Option<&Point>| point.map_or(1.0, |point| point.x);
        Axis {
            ticks: ticks.collect(),
            values: (end(points.first()), end(points.last())),
            places: (LEFT + 14.0, PANEL_WIDTH - RIGHT - 14.0),
            scale: if is_named { Scale::Linear } else { Scale::Log },
        }
    }

    fn up(values: impl Iterator<Item = f64>, scale: Scale) -> Axis {
        let positive: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        let high = positive.iter().copied().reduce(f64::max).unwrap_or(1.0);
        let low = positive.iter().copied().reduce(f64::min).unwrap_or(1.0);
        let (ends, ticks) = match scale {
            Scale::Linear => linear(high),
            Scale::Log => decades(low, high),
        };
        Axis {
            ticks: ticks
                .into_iter()
                .map(|value| (value, short(value)))
                .collect(),
            values: ends,
            places: (PANEL_HEIGHT - BOTTOM, TOP),
            scale,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let (first, last) = self.values;
        let share = match self.scale {
            Scale::Linear => (value - first) / (last - first).max(f64::MIN_POSITIVE),
            Scale::Log => {
                let above = (value.max(first) / first).ln();
                above / (last / first).ln().max(f64::MIN_POSITIVE)
            }
        };
        let (from, to) = self.places;
        from + (to - from) * share
    }
}

/// From 0 to a round number above the highest, in up to five steps.
fn linear(high: f64) -> ((f64, f64), Vec<f64>) {
    let rough = high / 4.0;
    let decade = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.iter().map(|step| step * decade);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(high);
    let count = (high / step).ceil();
    let ticks = (0..=count as u32).map(|at| f64::from(at) * step);
    ((0.0, count * step), ticks.collect())
}

/// Whole decades around both.
fn decades(low: f64, high: f64) -> ((f64, f64), Vec<f64>) {
    let first = low.log10().floor() as i32;
    let last = (high.log10().ceil() as i32).max(first + 1);
    let ticks = (first..=last).map(|power| 10_f64.powi(power));
    ((10_f64.powi(first), 10_f64.powi(last)), ticks.collect())
}

/// A number of few characters.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", trimmed(value / 1e6)),
        1e4.. => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let digits = if value >= 100.0 { 0 } else { 2 };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_by_what_they_do_not_share() {
        let names = distinct(&["memory made MiB", "memory loaded MiB"]);
        assert_eq!(names, ["made", "loaded"]);
        assert_eq!(distinct(&["p50 ms", "p99 ms"]), ["p50", "p99"]);
        assert_eq!(distinct(&["memory MiB"]), [""]);
    }

    #[test]
    fn an_axis_ends_at_a_round_number_beyond_the_highest() {
        assert_eq!(linear(73.0).0, (0.0, 80.0));
        assert_eq!(decades(3.0, 4000.0).0, (1.0, 10_000.0));
        assert_eq!(short(100_000.0), "100k");
    }
}
