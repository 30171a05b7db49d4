//! The CA's staging directory: an account of its own, validations that count for nothing, and
//! never a certificate.

use std::sync::atomic::Ordering;

use super::Acme;
use super::order::{Open, Ordering as Orders};
use crate::config;
use crate::issue::{Refusal, Solver, Wanted};
use crate::model::DnsId;

/// What is asked of the staging directory, where there is one: no profile, since nothing is issued,
/// and no external account, since that belongs to the CA itself.
pub(super) fn settings(ca: &config::Acme) -> Option<config::Acme> {
    let directory = ca.staging.clone()?;
    Some(config::Acme { directory, staging: None, eab: None, profile: None, ..ca.clone() })
}

impl Acme {
    /// Validates these names at the staging directory. The order is never finalized, and what it
    /// validated is given up: the next rehearsal has to look again.
    pub(super) async fn try_at_staging(
        &self,
        names: &[DnsId],
        solver: &dyn Solver,
    ) -> Result<Vec<DnsId>, Refusal> {
        let staging = self.staging.as_ref().filter(|_| !self.useless.load(Ordering::Relaxed));
        let Some(staging) = staging else { return Ok(Vec::new()) };
        let url = &staging.settings.directory;
        let ordering = Orders { acme: staging, wanted: Wanted::of(names) };
        let slot = staging.slots.acquire().await.expect("the semaphore is never closed");
        let validated = ordering.ready(solver).await;
        let mut refusal = match validated {
            Ok(open) => {
                give_up(open).await;
                tracing::info!(?names, url, "they pass at the staging directory");
                return Ok(names.to_vec());
            }
            Err(refusal) => refusal,
        };
        drop(slot);
        refusal.names.retain(|name| names.contains(name));
        if refusal.names.is_empty() {
            self.useless.store(true, Ordering::Relaxed);
            let why = refusal.sentence();
            tracing::warn!("nothing is tried at the staging directory in this run: {why}");
            return Ok(Vec::new());
        }
        for finding in &mut refusal.findings {
            finding.message += &format!(
                "; it was tried at the staging directory {url} first, where that counts for nothing"
            );
        }
        Err(refusal)
    }
}

/// Gives up what an order validated: a CA would use it again instead of looking anew. Where that
/// fails, it does.
async fn give_up(open: Open) {
    let mut order = open.order;
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Err(error) = authorization.deactivate().await {
            tracing::debug!("an authorization was not given up: {error}");
        }
    }
}
