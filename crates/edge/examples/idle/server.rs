//! The edge's process.

use std::io::Read;

use meshedflow_edge::{Config, LimitsConfig, run};
use tokio::net::TcpListener;

use crate::Failure;

/// Serves until standard input ends: the edge does not outlive its bench.
pub(crate) fn serve() -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        // A port that was free a moment ago.
        let admin = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        println!("{} {admin}", listener.local_addr()?);
        let limits = LimitsConfig { connections: 65_536, ..LimitsConfig::default() };
        let config = Config { admin_listen: Some(admin), drain_s: 0, limits, ..Config::default() };
        Ok(run(listener, config, parent_gone()).await?)
    })
}

/// Resolves when standard input ends.
pub(crate) async fn parent_gone() {
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(wait).await.ok();
}
