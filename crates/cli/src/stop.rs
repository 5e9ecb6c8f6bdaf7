//! Stopping on SIGINT and SIGTERM, from one place for everything that runs.

use tokio::sync::watch;

use crate::failure::Failure;

/// Told to all parts of a process at once. Clones wait for the same signal.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for both signals from now on.
    pub(crate) fn on_signals() -> Result<Self, Failure> {
        let (tell, told) = watch::channel(false);
        let signal = signal()?;
        tokio::spawn(async move {
            signal.await;
            let _ = tell.send(true);
        });
        Ok(Self(told))
    }

    /// Resolves once, when it is time to stop.
    pub(crate) async fn wait(mut self) {
        // An error means that the sender is gone, and with it the process.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[cfg(unix)]
fn signal() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::run("cannot listen for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::run("cannot listen for SIGINT"))?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Runs a server command on a Tokio runtime.
pub(crate) fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::run("cannot start the runtime"))?;
    let result = runtime.block_on(work);
    // Nothing of value is left: tasks that still hold sockets must not hold the process.
    runtime.shutdown_background();
    result
}
