//! `[dane]`: who publishes the TLSA records of keys, where mailcert may.

use super::challenge::dns01::{self, Rfc2136};
use super::fault::Trouble;
use super::raw::{self, Table};

/// `[dane]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dane {
    /// Updates of the zone.
    pub rfc2136: Rfc2136,
}

impl Dane {
    /// How long caches may keep the records, in seconds.
    #[must_use]
    pub fn ttl(&self) -> u32 {
        self.rfc2136.ttl
    }

    /// Whether the records at a name may be changed: it is in the zone, where one is stated.
    #[must_use]
    pub fn may_change(&self, owner: &str) -> bool {
        let within = |zone: &str| format!(".{owner}").ends_with(&format!(".{zone}"));
        self.rfc2136.zone.as_ref().is_none_or(|zone| within(zone.as_str()))
    }
}

pub(super) fn dane(root: &Table<'_>) -> Option<Dane> {
    let table = root.table("dane", raw::DANE)?;
    let Some(updates) = table.table("dane.rfc2136", raw::DANE_RFC2136) else {
        if table.value("rfc2136").is_none() && !table.misspelt("rfc2136", raw::DANE) {
            let trouble = Trouble::new("`[dane]` says nothing", "expected `[dane.rfc2136]`")
                .help("without [dane] the records to publish are printed");
            root.log.missing(Some(table.span), trouble);
        }
        return None;
    };
    let mut rfc2136 = dns01::update(&updates);
    if updates.value("ttl").is_none() {
        rfc2136.ttl = TTL;
    }
    Some(Dane { rfc2136 })
}

/// What the operators of DANE domains use.
const TTL: u32 = 3600;
