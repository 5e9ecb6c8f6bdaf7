//! The edge's process from outside: `/proc` and its metrics.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    /// Starts this program as a server of this `kind`.
    pub(crate) fn start(kind: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let (address, admin) = line.trim().split_once(' ').ok_or("expected two addresses")?;
        Ok(Self { child, address: address.parse()?, admin: admin.parse()? })
    }

    pub(crate) fn rss_kib(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// CPU time of all its threads, kernel time included.
    fn cpu_us(&self) -> Result<f64, Failure> {
        let mut total_ns = 0_u64;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            total_ns += text.split(' ').next().ok_or("empty schedstat")?.parse::<u64>()?;
        }
        Ok(total_ns as f64 / 1_000.0)
    }

    pub(crate) async fn cpu_us_during(&self, what: impl Future<Output = ()>) -> Result<f64, Failure> {
        let before = self.cpu_us()?;
        what.await;
        Ok(self.cpu_us()? - before)
    }

    pub(crate) async fn metrics(&self) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.admin).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin);
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// Mean time of a signal inside the edge since `before`.
    pub(crate) async fn relay_us(&self, before: &str) -> Result<f64, Failure> {
        let after = self.metrics().await?;
        let since = |name: &str| value(&after, name) - value(before, name);
        Ok(since("meshedflow_edge_relay_seconds_sum") * 1e6 / since("meshedflow_edge_relay_seconds_count"))
    }

    /// What was refused, dropped or overflowed.
    pub(crate) async fn refusals(&self) -> Result<String, Failure> {
        let text = self.metrics().await?;
        let nonzero = |line: &&str| {
            let counts = ["refusals_total{", "_dropped_total ", "overflows_total ", "refused_total{"];
            !line.starts_with('#') && counts.iter().any(|name| line.contains(name)) && !line.ends_with(" 0")
        };
        let lines: Vec<&str> = text.lines().filter(nonzero).collect();
        Ok(if lines.is_empty() { "none".into() } else { lines.join(", ") })
    }
}

/// CPU time of the calling thread so far: unlike a clock on the wall, it does not count what neighbours do.
pub(crate) fn own_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
