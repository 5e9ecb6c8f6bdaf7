//! What every command that serves checks in the same way.

use std::net::SocketAddr;
use std::path::Path;

use meshedflow_manifest::Text;
use meshedflow_origin::atomic;
use meshedflow_origin::http::access::AccessLog;
use tokio::net::TcpListener;

use crate::failure::Failure;

/// Listens; a taken or forbidden address is a bad input.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|e| {
        Failure::Input(format!("cannot listen on {address}: {e}; expected a free address and port"))
    })
}

/// Checks `--stream`.
pub(crate) fn stream_name(text: &str) -> Result<Text, Failure> {
    let name = Text::new(text).map_err(Failure::flag("--stream"))?;
    if text.contains('/') {
        return Err(Failure::Input(format!("--stream {text:?}: has a slash; expected one path component")));
    }
    Ok(name)
}

/// Opens `--access-log`.
pub(crate) fn open_log(path: &Path) -> Result<AccessLog, Failure> {
    atomic::folder_of(path).map_err(Failure::flag("--access-log"))?;
    AccessLog::open(path).map_err(|e| {
        Failure::Input(format!(
            "--access-log {}: {e}; expected a file that can be appended to",
            path.display()
        ))
    })
}
