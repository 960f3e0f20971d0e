//! What was measured, as it is written down.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every curve by its name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Grown {
    pub curves: BTreeMap<String, Curve>,
}

impl Grown {
    pub fn put(&mut self, name: &str, curve: Curve) {
        self.curves.insert(name.to_owned(), curve);
    }
}

/// Points in ascending order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Curve {
    /// The machine's load average before: what else ran, beyond its cores, is in the figures.
    #[serde(default)]
    pub load_before: f64,
    pub points: Vec<Point>,
}

/// What was measured at one place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    pub x: f64,
    /// What stands there where `x` is no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub values: BTreeMap<String, f64>,
}

impl Curve {
    pub fn of(points: Vec<Point>) -> Curve {
        Curve {
            load_before: 0.0,
            points,
        }
    }
}

impl Point {
    pub fn at(x: f64) -> Point {
        Point {
            x,
            ..Point::default()
        }
    }

    pub fn set(&mut self, name: &str, value: f64) {
        eprintln!("  {} {name} {value:.3}", self.x);
        // Three digits behind the point are more than is sure.
        self.values
            .insert(name.to_owned(), (value * 1000.0).round() / 1000.0);
    }
}
