//! The rdkafka lane: librdkafka through Rust, as an application would use it.

mod admin;
mod consumer;
mod group;
mod member;
mod million;
mod producer;

use braid_clients::Checks;
use std::process::ExitCode;

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("produce-million") {
        return million::run().await;
    }
    let mut checks = Checks::from_args(8);
    admin::run(&mut checks).await;
    producer::run(&mut checks).await;
    consumer::run(&mut checks).await;
    group::run(&mut checks).await;
    checks.finish("rdkafka")
}
