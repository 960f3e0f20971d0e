//! kinesis-local from npm.

use super::Server;
use anyhow::{Result, bail};
use std::path::Path;

pub fn install(_cache: &Path) -> Result<()> {
    bail!("not written yet")
}

pub fn start(_cache: &Path, _data: &Path) -> Result<Server> {
    bail!("not written yet")
}
