//! [`Presented`]: challenges that are shown, and taken away again however the work on them ends.

use futures_util::FutureExt;

use crate::issue::Solver;
use crate::model::{Challenge, DnsId};

/// What a solver shows for us. When it goes, dropped futures included, everything is cleared.
pub(super) struct Presented<'a> {
    solver: &'a dyn Solver,
    shown: Vec<(DnsId, String)>,
}

impl<'a> Presented<'a> {
    pub(super) fn by(solver: &'a dyn Solver) -> Self {
        Self { solver, shown: Vec::new() }
    }

    /// Which challenge is answered for this host.
    pub(super) fn kind(&self, host: &DnsId) -> Challenge {
        self.solver.kind(host)
    }

    /// Waits until all of it can be seen.
    pub(super) async fn settle(&self) -> Result<(), Vec<(DnsId, String)>> {
        let hosts: Vec<_> = self.shown.iter().map(|(host, _)| host.clone()).collect();
        self.solver.settle(&hosts).await
    }

    /// Presents one more.
    pub(super) async fn add(
        &mut self,
        host: &DnsId,
        token: &str,
        answer: &str,
    ) -> Result<(), String> {
        self.solver.present(host, token, answer).await?;
        self.shown.push((host.clone(), token.to_owned()));
        Ok(())
    }

    /// Takes everything away.
    pub(super) async fn clear(mut self) {
        while let Some((host, token)) = self.shown.last() {
            self.solver.clear(host, token).await;
            self.shown.pop();
        }
    }
}

impl Drop for Presented<'_> {
    fn drop(&mut self) {
        for (host, token) in self.shown.drain(..) {
            // Nothing can be waited for here; solvers clear at the first poll.
            let _ = self.solver.clear(&host, &token).now_or_never();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::Presented;
    use crate::issue::Listener;
    use crate::model::DnsId;

    #[tokio::test]
    async fn a_dropped_future_leaves_nothing_behind() {
        let at = std::net::TcpListener::bind("127.0.26.8:0").unwrap().local_addr().unwrap();
        let listener = Listener::new(vec![at]);
        let host = DnsId::parse("mx.a.example").unwrap();
        let work = async {
            let mut shown = Presented::by(&listener);
            shown.add(&host, "t", "t.k").await.unwrap();
            assert!(TcpStream::connect(at).await.is_ok());
            std::future::pending::<()>().await;
        };
        let cut = tokio::time::timeout(std::time::Duration::from_millis(200), work).await;
        assert!(cut.is_err());
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(at).await.is_err());
    }
}
