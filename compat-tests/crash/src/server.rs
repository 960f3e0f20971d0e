//! The server as a process: started, killed without warning, started again on the same data.

use anyhow::{Context, Result, anyhow, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Time within which a server must be ready, whatever it finds on disk.
const READY_WAIT: Duration = Duration::from_secs(20);

/// Where the server is and what it is started with; the ports stay the same for all starts.
pub struct Installed {
    braid: PathBuf,
    data: PathBuf,
    further: Vec<String>,
    pub kafka: String,
    http: String,
}

/// One life of the server; ends when dropped.
pub struct Life {
    child: Child,
}

impl Installed {
    pub fn new(braid: PathBuf, data: &Path, further: Vec<String>) -> Result<Installed> {
        ensure!(
            braid.is_file(),
            "{} is not there: build the server first",
            braid.display()
        );
        Ok(Installed {
            braid,
            data: data.to_owned(),
            further,
            kafka: free_port()?,
            http: free_port()?,
        })
    }

    pub fn kinesis(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Starts the server without waiting for it.
    pub fn spawn(&self) -> Result<Life> {
        let mut command = Command::new(&self.braid);
        command
            .args([
                "--kafka-listen",
                &self.kafka,
                "--kinesis-listen",
                &self.http,
            ])
            .arg("--data-dir")
            .arg(&self.data)
            .args(&self.further)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // The lanes' own variables are no settings of the server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BRAID_") {
                command.env_remove(name);
            }
        }
        let child = command.spawn().context("starting the server")?;
        Ok(Life { child })
    }

    /// Starts the server and waits until it is ready: how long that took.
    pub async fn start(&self) -> Result<(Life, Duration)> {
        let began = Instant::now();
        let mut life = self.spawn()?;
        match tokio::time::timeout(READY_WAIT, life.ready()).await {
            Ok(ready) => ready?,
            Err(_) => return Err(anyhow!("the server was not ready after {READY_WAIT:?}")),
        }
        Ok((life, began.elapsed()))
    }
}

impl Life {
    async fn ready(&mut self) -> Result<()> {
        let output = self
            .child
            .stdout
            .take()
            .context("no output of the server")?;
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            if line.contains("ready") {
                return Ok(());
            }
        }
        let status = self.child.wait().await?;
        Err(anyhow!("the server ended before it was ready: {status}"))
    }

    /// SIGKILL, and the end of the process awaited.
    pub async fn kill(mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the server had ended by itself: {ended:?}");
        self.child.kill().await.context("killing the server")
    }
}

/// A port that nobody uses now.
fn free_port() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}
