//! ferrokinesis from the crate registry: Kinesis in memory, or with its log on disk.

use super::Server;
use super::server::{free_port, listens};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "0.7.0";

fn folder(cache: &Path) -> PathBuf {
    cache.join(format!("ferrokinesis-{VERSION}"))
}

fn program(cache: &Path) -> PathBuf {
    folder(cache).join("bin/ferrokinesis")
}

/// Cargo puts the program into its place when all of it is built.
pub fn install(cache: &Path) -> Result<()> {
    if program(cache).is_file() {
        return Ok(());
    }
    let installed = Command::new("cargo")
        .args([
            "install",
            "ferrokinesis",
            "--quiet",
            "--locked",
            "--version",
            VERSION,
        ])
        .arg("--root")
        .arg(folder(cache))
        .status()
        .context("running cargo")?;
    ensure!(installed.success(), "cargo could not install ferrokinesis");
    Ok(())
}

/// Starts it as it comes, but for the pause that it pretends when a stream is made or deleted.
/// It listens on all addresses; there is no setting.
pub fn start(cache: &Path, data: &Path, is_durable: bool) -> Result<Server> {
    let port = free_port()?;
    let mut command = Command::new(program(cache));
    command
        .args(["--create-stream-ms", "0", "--delete-stream-ms", "0"])
        .args(["--port", &port.to_string()]);
    if is_durable {
        command.arg("--state-dir").arg(data);
    }
    let answers = |_: &Path| listens(port).then_some(());
    let (mut server, ()) = Server::spawn(command, data)?.wait(answers)?;
    server.kinesis = Some(format!("http://127.0.0.1:{port}"));
    Ok(server)
}
