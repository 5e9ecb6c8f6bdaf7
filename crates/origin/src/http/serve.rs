//! Listening, and stopping.

use std::future::{Future, IntoFuture};
use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long open requests may finish after the shutdown signal. Lists that are waited for and segments that
/// grow would hold the server for ever.
pub const GRACE: Duration = Duration::from_secs(1);

/// Serves `router` on `listener` until `shutdown` resolves: then no connection is accepted, open requests get
/// [`GRACE`] to finish, and what is left is dropped.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|socket| {
        // Small bodies must not wait for the peer's acknowledgements. A socket that refuses still works.
        let _ = socket.set_nodelay(true);
    });
    let (stopping, stopped) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = stopping.send(());
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(signal);
    let mut server = std::pin::pin!(server.into_future());
    tokio::select! {
        ended = &mut server => ended,
        _ = stopped => timeout(GRACE, server).await.unwrap_or(Ok(())),
    }
}
