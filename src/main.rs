//! The program: parse, start, wait.

use braid::{Config, Server};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

// Reserves lazily: a hostile count in a decoded frame must not abort the process (design §7).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(serve(Config::default())),
        Err(error) => Err(format!("cannot start threads: {error}")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("braid: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let server = Server::start(config).await.map_err(|e| e.to_string())?;
    let handler = |kind| signal(kind).map_err(|error| format!("cannot catch signals: {error}"));
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    println!("braid: Kafka on {}", server.kafka_address());
    println!("braid: Kinesis on http://{}", server.http_address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        reason = server.failed() => return Err(reason.to_string()),
    }
    server.stop().await;
    Ok(())
}
