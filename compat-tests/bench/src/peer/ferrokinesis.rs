//! ferrokinesis from the crate registry.

use super::Server;
use anyhow::{Result, bail};
use std::path::Path;

pub fn install(_cache: &Path) -> Result<()> {
    bail!("not written yet")
}

pub fn start(_cache: &Path, _data: &Path, _is_durable: bool) -> Result<Server> {
    bail!("not written yet")
}
