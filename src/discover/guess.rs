//! The usual labels in front of a domain. A guess is taken only if all its addresses are this
//! machine's and the domain does not answer for any name whatever (a DNS wildcard).

use futures_util::future::join_all;

use crate::discover::address::Addresses;
use crate::dns::Dns;
use crate::model::{Hostname, Points};

/// The labels.
const LABELS: [&str; 5] = ["mail", "smtp", "imap", "pop", "mx"];

/// What became of the guesses of one domain.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// Those taken: the host, its label and its addresses.
    pub(super) taken: Vec<(Hostname, String, Addresses)>,
    /// Those of which the DNS does not say whether they are to be taken.
    pub(super) undecided: Vec<Hostname>,
}

/// Tries the labels in front of `domain`, but for the hosts in `exclude`.
pub(super) async fn guess(
    domain: &Hostname,
    exclude: &[Hostname],
    dns: &dyn Dns,
    machine: &[std::net::IpAddr],
) -> Guesses {
    let tries = LABELS
        .into_iter()
        .filter_map(|label| Some((label, domain.under(label).ok()?)))
        .filter(|(_, host)| !exclude.contains(host))
        .map(|(label, host)| async move {
            let addresses = Addresses::ask(&host, dns).await;
            (host, label.to_owned(), addresses)
        });
    let mut guesses = Guesses::default();
    for (host, label, addresses) in join_all(tries).await {
        if addresses.failure.is_some() {
            guesses.undecided.push(host);
        } else if addresses.points(machine) == Points::All {
            guesses.taken.push((host, label, addresses));
        }
    }
    if guesses.taken.is_empty() {
        return guesses;
    }
    match answers_for_anything(domain, dns).await {
        Some(false) => {}
        Some(true) => guesses.taken.clear(),
        None => guesses.undecided.extend(guesses.taken.drain(..).map(|(host, ..)| host)),
    }
    guesses
}

/// Whether a name nobody would choose has an address; `None` if the DNS does not say.
async fn answers_for_anything(domain: &Hostname, dns: &dyn Dns) -> Option<bool> {
    let Ok(name) = domain.under(&unlikely_label(domain)) else {
        return Some(false);
    };
    let addresses = Addresses::ask(&name, dns).await;
    match addresses.failure {
        _ if !addresses.found.is_empty() => Some(true),
        Some(_) => None,
        None => Some(false),
    }
}

/// A label that looks random and is the same at every run, so that resolvers can keep the answer
/// (FNV-1a of the domain).
fn unlikely_label(domain: &Hostname) -> String {
    let hash = domain.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("x{hash:016x}")
}
