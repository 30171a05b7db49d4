//! Names that failed before: at the staging directory first.

use async_trait::async_trait;

use super::{Shows, ca, host, made_by, order, text};
use crate::issue::{Ca, CaIdentity, Chain, MemoryCa, Order, Refusal, Solver, Wanted};
use crate::model::DnsId;
use crate::store::Memory;

/// A CA with a staging directory.
struct Staged {
    real: MemoryCa,
    staging: MemoryCa,
}

impl Staged {
    /// Both refuse nothing, and nothing can be seen from here.
    fn new() -> Self {
        let identity = CaIdentity { http_port: Some(80), ..CaIdentity::default() };
        Self { real: ca().with_identity(identity), staging: ca() }
    }

    /// How many names each order had: at the staging directory, at the CA.
    fn orders(&self) -> [Vec<usize>; 2] {
        [&self.staging, &self.real].map(|ca| ca.orders().iter().map(Vec::len).collect())
    }
}

#[async_trait]
impl Ca for Staged {
    async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal> {
        self.real.order(wanted, solver).await
    }

    async fn finish(&self, url: &str, names: &[DnsId], csr: &[u8]) -> Result<Chain, Refusal> {
        self.real.finish(url, names, csr).await
    }

    async fn scout(&self, name: &DnsId, solver: &dyn Solver) -> Result<(), Refusal> {
        self.real.scout(name, solver).await
    }

    async fn rehearse(&self, names: &[DnsId], solver: &dyn Solver) -> Result<Vec<DnsId>, Refusal> {
        self.staging.order(Wanted::of(names), solver).await.map(|_| names.to_vec())
    }

    async fn identity(&self) -> Result<CaIdentity, Refusal> {
        self.real.identity().await
    }
}

/// An order for three names, of which these failed before.
async fn asked(ca: &Staged, failed: &[&str], must_stay: &[&str]) -> String {
    let hosts = |names: &[&str]| names.iter().map(|name| host(name)).collect();
    let wanted = order(&["a.example", "b.example", "c.example"]);
    let wanted = Order { failed: hosts(failed), must_stay: hosts(must_stay), ..wanted };
    let said = text(&made_by(wanted, ca, &Shows(Ok(())), &Memory::new()).await);
    let unseen = |line: &&str| !line.starts_with("preflight-unseen");
    said.lines().filter(unseen).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn only_what_failed_is_rehearsed_and_what_passes_needs_no_scout() {
    for (failed, orders) in [
        // Nothing failed: one name goes first, since nothing can be seen from here.
        (&[][..], [vec![], vec![1, 3]]),
        (&["a.example"], [vec![1], vec![3]]),
        (&["a.example", "c.example"], [vec![2], vec![3]]),
        // It is wished no more.
        (&["gone.example"], [vec![], vec![1, 3]]),
    ] {
        let ca = Staged::new();
        assert_eq!(asked(&ca, failed, &[]).await, "issued a chain of 2");
        assert_eq!(ca.orders(), orders, "{failed:?}");
    }
}

#[tokio::test]
async fn what_fails_again_is_not_asked_of_the_ca_and_holds_up_nobody() {
    let ca = Staged::new();
    ca.staging.refuse(host("a.example"));
    assert_eq!(
        asked(&ca, &["a.example", "b.example"], &[]).await,
        "issued a chain of 2\nleft out a.example: name-refused"
    );
    assert_eq!(ca.orders(), [vec![2, 1], vec![2]], "the other one is rehearsed again, alone");
    let names: Vec<DnsId> = ca.real.orders().concat();
    assert!(!names.contains(&host("a.example")), "{names:?}");
}

#[tokio::test]
async fn a_name_that_works_and_fails_again_ends_the_order_before_the_ca_is_asked() {
    let ca = Staged::new();
    ca.staging.refuse(host("a.example"));
    assert_eq!(
        asked(&ca, &["a.example"], &["a.example"]).await,
        "refused by us\n\
         name-refused: a.example: the CA refused it: it was told to refuse it\n\
         names: a.example"
    );
    assert_eq!(ca.orders(), [vec![1], vec![]]);
}
