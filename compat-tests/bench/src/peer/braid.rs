//! braid itself, as built beside this crate.

use super::Server;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

pub fn install(program: &Path) -> Result<()> {
    ensure!(
        program.is_file(),
        "{} is not there: build it first",
        program.display()
    );
    Ok(())
}

pub fn start(program: &Path, data: &Path) -> Result<Server> {
    let mut command = Command::new(program);
    command
        .args([
            "--kafka-listen",
            "127.0.0.1:0",
            "--kinesis-listen",
            "127.0.0.1:0",
        ])
        .arg("--data-dir")
        .arg(data);
    let (mut server, (kafka, kinesis)) = Server::spawn(command, data)?.wait(addresses)?;
    server.kafka = Some(kafka);
    server.kinesis = Some(kinesis);
    Ok(server)
}

/// `braid is ready: Kafka on A, Kinesis on http://B`.
fn addresses(output: &Path) -> Option<(String, String)> {
    let said = std::fs::read_to_string(output).ok()?;
    let line = said.lines().find(|line| line.contains("ready"))?;
    let (_, kafka) = line.split_once("Kafka on ")?;
    let (kafka, kinesis) = kafka.split_once(", Kinesis on ")?;
    said.ends_with('\n')
        .then(|| (kafka.into(), kinesis.trim().into()))
}
