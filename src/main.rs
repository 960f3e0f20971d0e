//! The program: parse, start, wait.

use braid::{Command, Config, ProcessConfig, Server};
use std::io::Write;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

// Reserves lazily: a hostile count in a decoded frame must not abort the process (design §7).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("braid: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments = std::env::args_os().skip(1);
    match Command::parse(arguments, std::env::vars_os()).map_err(|e| e.to_string())? {
        Command::Serve(config) => {
            log_to_stderr(&config.process)?;
            runtime(&config.process)?.block_on(serve(config))
        }
        Command::Healthcheck(config) => braid::healthcheck(config.kinesis.listen),
        Command::Print(text) => print(&text),
    }
}

fn log_to_stderr(config: &ProcessConfig) -> Result<(), String> {
    let targets: Targets = config.log.parse().map_err(|e| format!("log: {e}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
    Ok(())
}

fn runtime(config: &ProcessConfig) -> Result<Runtime, String> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    if config.threads > 0 {
        builder.worker_threads(config.threads);
    }
    builder
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))
}

async fn serve(config: Config) -> Result<(), String> {
    let handler = |kind| signal(kind).map_err(|error| format!("cannot catch signals: {error}"));
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    let server = Server::start(config).await.map_err(|e| e.to_string())?;
    let (kafka, http) = (server.kafka_address(), server.http_address());
    print(&format!(
        "braid is ready: Kafka on {kafka}, Kinesis on http://{http}\n"
    ))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        reason = server.failed() => return Err(reason.to_string()),
    }
    server.stop().await;
    Ok(())
}

/// Like `print!`, but a closed standard output is an error and no panic.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("standard output: {error}"))
}
