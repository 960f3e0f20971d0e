//! Loads over the Kinesis API.

use crate::job::{Job, Loaded};
use crate::row::Row;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Load {}

impl Load {
    pub fn carry_out(&self, _job: &Job) -> Result<Loaded> {
        bail!("no Kinesis load yet")
    }
}

/// The rows of the Kinesis face; `quick` asks for small counts.
pub fn rows(_quick: bool) -> Vec<Row> {
    Vec::new()
}
