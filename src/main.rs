//! The program: parse, start, wait.

use braid::{Command, Config, ProcessConfig, Server};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::Write;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
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
            let runtime = runtime(&config.process)?;
            let ended = runtime.block_on(serve(config));
            // A read that is stuck on a failing disk must not keep the process.
            runtime.shutdown_background();
            ended
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
    let mut signals = StopSignals::listen()?;
    allow_many_connections();
    let server = Server::start(config).await.map_err(|e| e.to_string())?;
    let (kafka, http) = (server.kafka_address(), server.http_address());
    // Whoever started the server may not be listening any more.
    let _ = print(&format!(
        "braid is ready: Kafka on {kafka}, Kinesis on http://{http}\n"
    ));
    let failed = server.failed();
    tokio::pin!(failed);
    tokio::select! {
        () = signals.next() => {}
        reason = &mut failed => return Err(reason.to_string()),
    }
    tokio::select! {
        biased; // A failure while stopping is a failure.
        reason = &mut failed => Err(reason.to_string()),
        () = server.stop() => Ok(()),
        () = signals.next() => Err("told twice to stop: requests in flight were cut off".into()),
    }
}

/// The signals that ask for an orderly end.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> Result<StopSignals, String> {
        let handler = |kind| signal(kind).map_err(|error| format!("cannot catch signals: {error}"));
        Ok(StopSignals {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A connection is an open file, and the usual soft limit is 1,024 of them.
fn allow_many_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Like `print!`, but a closed standard output is an error and no panic.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("standard output: {error}"))
}
