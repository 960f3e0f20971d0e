//! Apache Kafka from Maven Central: one node, broker and controller in one.

use super::Server;
use super::server::{free_port, listens};
use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What Maven is asked for.
const POM: &str = include_str!("kafka.pom.xml");
/// As Kafka's own start scripts set them.
const JVM: [&str; 8] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// The class path of everything that Maven brought.
pub fn libraries(cache: &Path) -> PathBuf {
    cache.join("kafka/libs/*")
}

pub fn install(cache: &Path) -> Result<()> {
    let (folder, done) = (cache.join("kafka"), cache.join("kafka/done.pom.xml"));
    if fs::read_to_string(&done).is_ok_and(|installed| installed == POM) {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("pom.xml"), POM)?;
    let installed = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "dependency:copy-dependencies"])
        .arg("-DoutputDirectory=libs")
        .current_dir(&folder)
        .status()
        .context("running mvn")?;
    ensure!(installed.success(), "mvn could not bring Kafka");
    fs::write(done, POM)?;
    Ok(())
}

/// Starts a node on an empty data directory, or on one that it has used before.
pub fn start(cache: &Path, data: &Path, further: &[&str]) -> Result<Server> {
    let parent = data.parent().context("a data directory has a parent")?;
    let (port, controller) = (free_port()?, free_port()?);
    let properties = parent.join("server.properties");
    fs::write(&properties, settings(port, controller, data, further))?;
    if !data.join("meta.properties").exists() {
        format(cache, &properties)?;
    }
    let mut command = java(cache);
    command.arg("kafka.Kafka").arg(&properties);
    let address = format!("127.0.0.1:{port}");
    let answers = |_: &Path| (listens(port) && has_broker(&address)).then_some(());
    let (mut server, ()) = Server::spawn(command, data)?.wait(answers)?;
    server.kafka = Some(address);
    Ok(server)
}

fn java(cache: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .args(JVM)
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(libraries(cache));
    command
}

/// The defaults, but for a single node's replication and loopback.
fn settings(port: u16, controller: u16, data: &Path, further: &[&str]) -> String {
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        "node.id=1".into(),
        format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
        "controller.listener.names=CONTROLLER".into(),
        format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
        format!("log.dirs={}", data.display()),
        "offsets.topic.replication.factor=1".into(),
        "transaction.state.log.replication.factor=1".into(),
        "transaction.state.log.min.isr=1".into(),
        "share.coordinator.state.topic.replication.factor=1".into(),
        "share.coordinator.state.topic.min.isr=1".into(),
        // By default the two indexes of each partition are sparse files of 10 MiB, and the first
        // touch of each has the kernel read ahead in the hole: up to `read_ahead_kb` (8 MiB on
        // some machines) of fresh zeros, twice a partition, all of it charged to Kafka.
        "log.index.size.max.bytes=1048576".into(),
    ];
    lines.extend(further.iter().map(|&line| line.to_owned()));
    lines.join("\n")
}

fn format(cache: &Path, properties: &Path) -> Result<()> {
    let formatted = java(cache)
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"])
        .arg(properties)
        .output()
        .context("running java")?;
    let said = String::from_utf8_lossy(&formatted.stderr);
    ensure!(
        formatted.status.success(),
        "formatting Kafka's directory: {said}"
    );
    Ok(())
}

fn has_broker(address: &str) -> bool {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("group.id", "bench");
    let Ok(consumer) = config.create::<BaseConsumer>() else {
        return false;
    };
    let metadata = consumer.fetch_metadata(None, Duration::from_millis(500));
    metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
}
