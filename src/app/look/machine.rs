//! `verify --local-trust`, and the large providers without being asked: this machine's side.

use std::path::Path;

use futures_util::StreamExt as _;

use crate::app::environment;
use crate::local::{self, Local, Own, Wanted};
use crate::model::Inspection;
use crate::verify::{Ask, How};

/// Servers that are looked at side by side: each costs a process.
const AT_ONCE: usize = 4;

/// What this machine makes of the servers that were verified: of all of them where `every` is
/// wanted, else of the large providers. Where it is of none, nothing is read.
pub(super) async fn look(asks: &[Ask], seen: &[Inspection], how: &How, every: bool) -> Vec<Local> {
    let wanted = local::wanted(asks, seen, every);
    if wanted.is_empty() {
        return Vec::new();
    }
    let root = Path::new("/");
    let mut own = Own::read(root, environment::of_other_programs()).await;
    if wanted.iter().any(Wanted::is_connected) {
        own = own.with_stores(root).await;
    }
    let looks = wanted.iter().map(|wanted| local::look(wanted, how, &own));
    futures_util::stream::iter(looks).buffered(AT_ONCE).collect().await
}
