//! The lane of the AWS SDK for Rust: streams, putting, reading, and the errors it can name.

mod data;
mod reading;
mod refusals;
mod streams;

use braid_clients::Checks;
use std::process::ExitCode;

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    let mut checks = Checks::from_args(5);
    streams::run(&mut checks).await;
    data::run(&mut checks).await;
    reading::run(&mut checks).await;
    refusals::run(&mut checks).await;
    checks.finish("aws-sdk-kinesis")
}
