//! [`Solvers`]: the solver of each kind of challenge, and for each name the one its kind asks for.
//!
//! Which kind a name takes is decided by the configuration alone ([`Ways`]), so that a plan can show
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Config;
use crate::issue::Solver;
use crate::issue::by_host::ByHost;
use crate::model::{AnsweredFrom, Challenge, DnsId, Ways};

/// What the configuration answers challenges with.
pub struct Solvers {
    ways: Ways,
    kinds: BTreeMap<Challenge, Arc<dyn Solver>>,
}

impl Solvers {
    /// With http-01 as the configuration has it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let http01: Arc<dyn Solver> = Arc::new(ByHost::new(&config.http01));
        let kinds = BTreeMap::from([(Challenge::Http01, http01)]);
        Self { ways: config.ways.clone(), kinds }
    }

    /// The same with a solver for another kind.
    #[must_use]
    pub fn with(mut self, kind: Challenge, solver: Arc<dyn Solver>) -> Self {
        self.kinds.insert(kind, solver);
        self
    }

    fn of(&self, host: &DnsId) -> Result<&dyn Solver, String> {
        let kind = self.kind(host);
        let solver = self.kinds.get(&kind).map(|solver| &**solver);
        solver.ok_or_else(|| format!("{host} takes {kind}, and nothing here answers it"))
    }
}

#[async_trait]
impl Solver for Solvers {
    fn kind(&self, host: &DnsId) -> Challenge {
        self.ways.of(host).challenge
    }

    fn answered_from(&self, host: &DnsId) -> AnsweredFrom {
        self.of(host).map_or(AnsweredFrom::Port, |solver| solver.answered_from(host))
    }

    async fn present(&self, host: &DnsId, token: &str, answer: &str) -> Result<(), String> {
        self.of(host)?.present(host, token, answer).await
    }

    async fn rehearse(&self, host: &DnsId) -> Result<(), String> {
        self.of(host)?.rehearse(host).await
    }

    async fn settle(&self, hosts: &[DnsId]) -> Result<(), Vec<(DnsId, String)>> {
        let mut unseen = Vec::new();
        for (kind, solver) in &self.kinds {
            let own: Vec<_> =
                hosts.iter().filter(|host| self.kind(host) == *kind).cloned().collect();
            if !own.is_empty() {
                unseen.extend(solver.settle(&own).await.err().unwrap_or_default());
            }
        }
        if unseen.is_empty() { Ok(()) } else { Err(unseen) }
    }

    async fn sweep(&self) {
        for solver in self.kinds.values() {
            solver.sweep().await;
        }
    }

    async fn clear(&self, host: &DnsId, token: &str) {
        if let Ok(solver) = self.of(host) {
            solver.clear(host, token).await;
        }
    }
}
