//! kinesis-local (kinesis-mock for Node.js) from npm: Kinesis in memory.

use super::Server;
use super::server::{free_port, listens};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "kinesis-local@0.6.2";

fn folder(cache: &Path) -> PathBuf {
    cache.join(PACKAGE)
}

/// Where npm puts the package, with the certificate that it will not start without.
fn package(cache: &Path) -> PathBuf {
    folder(cache).join("node_modules/kinesis-local")
}

pub fn install(cache: &Path) -> Result<()> {
    let done = folder(cache).join("done");
    if done.is_file() {
        return Ok(());
    }
    fs::create_dir_all(folder(cache))?;
    let installed = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder(cache))
        .arg(PACKAGE)
        .status()
        .context("running npm")?;
    ensure!(installed.success(), "npm could not install {PACKAGE}");
    fs::write(done, PACKAGE)?;
    Ok(())
}

/// Starts it as it comes, but for the pause that it pretends when a stream is made or deleted.
pub fn start(cache: &Path, data: &Path) -> Result<Server> {
    let (plain, tls) = (free_port()?, free_port()?);
    let mut command = Command::new("node");
    command
        .arg("main.js")
        .current_dir(package(cache))
        .env("KINESIS_MOCK_PLAIN_PORT", plain.to_string())
        .env("KINESIS_MOCK_TLS_PORT", tls.to_string())
        .env("CREATE_STREAM_DURATION", "0ms")
        .env("DELETE_STREAM_DURATION", "0ms");
    let answers = |_: &Path| listens(plain).then_some(());
    let (mut server, ()) = Server::spawn(command, data)?.wait(answers)?;
    server.kinesis = Some(format!("http://127.0.0.1:{plain}"));
    Ok(server)
}
