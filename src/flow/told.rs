//! A solver that says what it does: while an order waits for the CA, what is shown to it is all
//! that a person can be told of.

use async_trait::async_trait;

use crate::flow::Event;
use crate::issue::Solver;
use crate::model::{AnsweredFrom, Challenge, DnsId};

/// The solver, and who is told.
pub(super) struct Told<'a> {
    pub(super) solver: &'a dyn Solver,
    pub(super) tell: &'a (dyn Fn(&Event) + Send + Sync),
}

#[async_trait]
impl Solver for Told<'_> {
    fn kind(&self, host: &DnsId) -> Challenge {
        self.solver.kind(host)
    }

    fn answered_from(&self, host: &DnsId) -> AnsweredFrom {
        self.solver.answered_from(host)
    }

    async fn rehearse(&self, host: &DnsId) -> Result<(), String> {
        self.solver.rehearse(host).await
    }

    async fn settle(&self, hosts: &[DnsId]) -> Result<(), Vec<(DnsId, String)>> {
        self.solver.settle(hosts).await
    }

    async fn sweep(&self) {
        self.solver.sweep().await;
    }

    async fn present(
        &self,
        host: &DnsId,
        token: &str,
        key_authorization: &str,
    ) -> Result<(), String> {
        self.solver.present(host, token, key_authorization).await?;
        (self.tell)(&Event::Presented(host.clone()));
        Ok(())
    }

    async fn clear(&self, host: &DnsId, token: &str) {
        self.solver.clear(host, token).await;
        (self.tell)(&Event::Cleared(host.clone()));
    }
}
