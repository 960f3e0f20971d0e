//! The crossing lanes: rdkafka writes and the AWS SDK reads, the reverse, and both at once.

mod both;
mod from_kafka;
mod from_kinesis;

use braid_clients::Checks;
use std::process::ExitCode;

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    let mut checks = Checks::from_args(5);
    from_kafka::run(&mut checks).await;
    from_kinesis::run(&mut checks).await;
    both::run(&mut checks).await;
    checks.finish("crossing")
}
