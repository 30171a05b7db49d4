//! SIGINT and SIGTERM as a value: who works looks at it, nothing is torn down.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::Failure;

/// Whether a signal came that asks for an end.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From now on they are told here instead of ending the process.
    ///
    /// # Errors
    /// [`Failure::Work`] when the handlers cannot be set.
    pub(super) fn heed() -> Result<Self, Failure> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::work)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::work)?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tell.send_replace(true);
            // Kept open: who looks later is told, too.
            tell.closed().await;
        });
        Ok(Self(told))
    }

    /// Waits for it, for ever if none comes.
    pub(super) async fn came(&self) {
        if self.0.clone().wait_for(|came| *came).await.is_err() {
            std::future::pending().await
        }
    }
}
