//! The lock of the store: there at once, waited for, or held by another.

use std::time::Duration;

use crate::app::Failure;
use crate::app::output::say;
use crate::cli::Patience;
use crate::store::{Lock, Store, StoreError};

/// Takes the lock; `--wait` waits for it.
///
/// # Errors
/// [`Failure::Locked`] when another mailcert holds it (still).
pub(super) async fn lock(
    store: &dyn Store,
    patience: Patience,
    quiet: bool,
) -> Result<Lock, Failure> {
    let pid = match (store.lock(), patience.wait) {
        (Err(StoreError::Locked { pid }), Some(_)) => pid,
        (taken, _) => return taken.map_err(Failure::store),
    };
    if !quiet {
        say(&format!("another mailcert is at work (pid {pid}): waiting until it has ended"));
    }
    let at_last = async {
        loop {
            tokio::time::sleep(BETWEEN).await;
            match store.lock() {
                Err(StoreError::Locked { .. }) => {}
                taken => break taken,
            }
        }
    };
    let taken = match patience.wait.flatten() {
        None => at_last.await,
        Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), at_last)
            .await
            .unwrap_or_else(|_| store.lock()),
    };
    taken.map_err(Failure::store)
}

/// Between two tries: short beside any run.
const BETWEEN: Duration = Duration::from_millis(100);
