//! SIGINT and SIGTERM as a value: who works looks at it, nothing is torn down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::app::Failure;

/// Whether a signal came that asks for an end. Until [`Stop::heed`] they end the process.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    came: Arc<AtomicBool>,
    heeded: Arc<AtomicBool>,
    waiting: Arc<Notify>,
}

impl Stop {
    /// From now on they are told here instead of ending the process.
    ///
    /// # Errors
    /// [`Failure::Work`] when the handlers cannot be set.
    pub(super) fn heed(&self) -> Result<(), Failure> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::work)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::work)?;
        self.heeded.store(true, Ordering::Relaxed);
        let stop = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.came.store(true, Ordering::Relaxed);
            stop.waiting.notify_waiters();
        });
        Ok(())
    }

    /// Whether they are told here.
    pub(super) fn is_heeded(&self) -> bool {
        self.heeded.load(Ordering::Relaxed)
    }

    /// Waits for it, for ever if none comes.
    pub(super) async fn came(&self) {
        // Enlisted before the look: what comes in between is not missed.
        let told = self.waiting.notified();
        if !self.has_come() {
            told.await;
        }
    }

    /// Whether it came.
    pub(super) fn has_come(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }

    /// The same for who looks between two steps.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.came
    }
}
