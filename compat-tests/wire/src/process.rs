//! The real program in a process of its own, with as little memory as a test allows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// No start takes longer, the program's own compilation not counted.
const WAIT: Duration = Duration::from_secs(30);

/// Ends with the test.
pub struct Program {
    child: Child,
    kafka_address: SocketAddr,
    http_address: SocketAddr,
    #[expect(dead_code, reason = "a program that cannot write would end")]
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts `braid --memory` on ports of its own, with at most so much address space. The
    /// allocator alone reserves more than half of 512 MiB, so the rest is divided sparingly.
    pub async fn start(address_space_kib_max: u64) -> Program {
        let program = built().await;
        let script = format!("ulimit -v {address_space_kib_max}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(program)
            .args(["--memory", "--memory-bytes-max", "64MiB"])
            .args(["--kinesis-bodies-bytes-max", "64MiB"])
            .args([
                "--kafka-listen",
                "127.0.0.1:0",
                "--kinesis-listen",
                "127.0.0.1:0",
            ])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let ready = timeout(WAIT, output.read_line(&mut line));
        ready.await.expect("a start in time").expect("a line");
        let address = |after: &str| {
            let found = line.split_once(after).map_or("", |(_, rest)| rest);
            let end = found.find([',', '\n']).unwrap_or(found.len());
            found[..end]
                .parse()
                .unwrap_or_else(|_| panic!("not ready: {line}"))
        };
        Program {
            kafka_address: address("Kafka on "),
            http_address: address("http://"),
            child,
            output,
        }
    }

    pub fn kafka_address(&self) -> SocketAddr {
        self.kafka_address
    }

    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Fails if the program has ended.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "the program ended: {ended:?}");
    }

    /// Most memory that the program has ever had resident.
    pub fn resident_kib_max(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// Memory that the program has resident now.
    pub fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    fn status_kib(&self, field: &str) -> u64 {
        let id = self.child.id().expect("a running program");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }
}

/// The program beside this test, built if it is not there or not new.
async fn built() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let test = std::env::current_exe().expect("this test");
    // target/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).expect("a target directory");
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        .args(["build", "--quiet", "--bin", "braid"])
        // Both packages, so that their dependencies are those that are built already.
        .args(["--package", "braid", "--package", "braid-wire"]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(
        build.status().await.expect("cargo").success(),
        "the program is built"
    );
    profile.join("braid")
}
