//! A server that runs as a child process.

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time within which every server must be ready.
pub const READY_WAIT: Duration = Duration::from_secs(60);
/// Time that a server may take to stop in good order before it is killed.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// Stopped when dropped.
pub struct Server {
    pub pid: u32,
    /// `host:port`.
    pub kafka: Option<String>,
    /// `http://host:port`.
    pub kinesis: Option<String>,
    /// From its start until it answers.
    pub ready_ms: f64,
    child: Child,
}

impl Server {
    /// Starts a command; what it prints goes to `output.log` and `errors.log` in its data
    /// directory's parent.
    pub fn spawn(mut command: Command, data: &Path) -> Result<Starting> {
        let parent = data.parent().context("a data directory has a parent")?;
        let output = parent.join("output.log");
        command
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(parent.join("errors.log"))?);
        // The lanes' own variables are no settings of the server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BRAID_") {
                command.env_remove(name);
            }
        }
        let began = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        Ok(Starting {
            child,
            began,
            output,
        })
    }

    /// Tells the server to stop and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.pid)?).context("a process id")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + STOP_WAIT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Fails if the server has ended by itself.
    pub fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server has ended: {status}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("stopping a server: {error}");
        }
    }
}

/// A server that has been started and is not ready yet.
pub struct Starting {
    child: Child,
    began: Instant,
    output: std::path::PathBuf,
}

impl Starting {
    /// Asks until `ready` gives something, or the server ends, or it takes too long.
    pub fn wait<T>(mut self, ready: impl FnMut(&Path) -> Option<T>) -> Result<(Server, T)> {
        let found = self.poll(ready);
        if found.is_err() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        let (found, ready_ms) = found?;
        let server = Server {
            pid: self.child.id(),
            kafka: None,
            kinesis: None,
            ready_ms,
            child: self.child,
        };
        Ok((server, found))
    }

    fn poll<T>(&mut self, mut ready: impl FnMut(&Path) -> Option<T>) -> Result<(T, f64)> {
        while self.began.elapsed() < READY_WAIT {
            if let Some(found) = ready(&self.output) {
                return Ok((found, self.began.elapsed().as_secs_f64() * 1000.0));
            }
            if let Some(status) = self.child.try_wait()? {
                let errors = self.output.with_file_name("errors.log");
                let errors = std::fs::read_to_string(errors).unwrap_or_default();
                bail!("it ended before it was ready: {status}\n{errors}");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Err(anyhow!("it was not ready within {READY_WAIT:?}"))
    }
}

/// A port that nobody uses now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether somebody accepts connections there.
pub fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
