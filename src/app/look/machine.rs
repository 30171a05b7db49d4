//! `verify --local-trust`, and the large providers without being asked: this machine's side.

use std::path::Path;

use futures_util::StreamExt as _;
use tokio::sync::OnceCell;

use crate::app::environment;
use crate::local::{self, Local, Own, Wanted};
use crate::model::Inspection;
use crate::verify::{Ask, How};

/// Servers that are looked at side by side: each costs a process.
const AT_ONCE: usize = 4;

/// This machine's side, read once, and only if a target wants it.
pub(super) struct Machine {
    every: bool,
    own: OnceCell<Own>,
    with_stores: OnceCell<Own>,
}

impl Machine {
    /// Of every server where `every` is wanted, else of the large providers.
    pub(super) fn new(every: bool) -> Self {
        Self { every, own: OnceCell::new(), with_stores: OnceCell::new() }
    }

    /// What this machine makes of the servers that were verified. Where it is of none, nothing is
    /// read; stores are where there is a chain to compare with.
    pub(super) async fn look(&self, asks: &[Ask], seen: &[Inspection], how: &How) -> Vec<Local> {
        let wanted = local::wanted(asks, seen, self.every);
        if wanted.is_empty() {
            return Vec::new();
        }
        let root = Path::new("/");
        let read = || Own::read(root, environment::of_other_programs());
        let own = if wanted.iter().any(Wanted::is_connected) {
            let whole = || async { read().await.with_stores(root).await };
            self.with_stores.get_or_init(whole).await
        } else {
            self.own.get_or_init(read).await
        };
        let looks = wanted.iter().map(|wanted| local::look(wanted, how, own));
        futures_util::stream::iter(looks).buffered(AT_ONCE).collect().await
    }
}
