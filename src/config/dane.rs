//! `[dane]`: who publishes the TLSA records of keys, where mailcert may.

use super::challenge::dns01::{Exec, Rfc2136, exec, update};
use super::fault::Trouble;
use super::raw::Table;
use super::value;
use crate::model::Hostname;

/// `[dane]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dane {
    /// Who does it.
    pub by: Publisher,
    /// The only zone that may be changed, if stated.
    pub zone: Option<Hostname>,
    /// How long caches may keep the records, in seconds.
    pub ttl: u32,
}

/// Who publishes TLSA records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publisher {
    /// We, by updates of the zone.
    Rfc2136(Rfc2136),
    /// A program of the admin's.
    Exec(Exec),
}

impl Dane {
    /// Whether the records at a name may be changed: it is in the zone, where one is stated.
    #[must_use]
    pub fn may_change(&self, owner: &str) -> bool {
        let within = |zone: &str| format!(".{owner}").ends_with(&format!(".{zone}"));
        self.zone.as_ref().is_none_or(|zone| within(zone.as_str()))
    }

    /// The file of the key that updates are signed with, if there is one.
    #[must_use]
    pub fn key_file(&self) -> Option<&std::path::Path> {
        match &self.by {
            Publisher::Rfc2136(updates) => updates.key_file.as_deref(),
            Publisher::Exec(_) => None,
        }
    }
}

pub(super) fn dane(root: &Table<'_>) -> Option<Dane> {
    let table = root.table("dane", DANE)?;
    let updates = table.table("dane.rfc2136", RFC2136);
    let program = table.table("dane.exec", EXEC);
    if let (Some(first), Some(second)) = (&updates, &program) {
        let (first, later) = match first.span.start < second.span.start {
            true => (first, second),
            false => (second, first),
        };
        let line = table.log.source.line(first.span.start);
        let trouble = Trouble::new("`[dane]` has two ways", "expected one of them")
            .help(format!("the other one stands in line {line}"));
        root.log.wrong(later.span.clone(), trouble);
    }
    let Some(one) = updates.as_ref().or(program.as_ref()) else {
        let said = ["rfc2136", "exec"]
            .iter()
            .any(|key| table.value(key).is_some() || table.misspelt(key, DANE));
        if !said {
            let expected = "expected `[dane.rfc2136]` or `[dane.exec]`";
            let trouble = Trouble::new("`[dane]` says nothing", expected)
                .help("without [dane] the records to publish are printed");
            root.log.missing(Some(table.span), trouble);
        }
        return None;
    };
    let ttl = one.whole("ttl", 0, 86_400).and_then(|ttl| u32::try_from(ttl).ok());
    let by = match (&updates, &program) {
        (Some(updates), _) => Publisher::Rfc2136(update(updates)),
        (None, program) => Publisher::Exec(exec(program.as_ref()?)?),
    };
    let zone = match &by {
        Publisher::Rfc2136(updates) => updates.zone.clone(),
        Publisher::Exec(_) => one.text("zone", value::host),
    };
    Some(Dane { by, zone, ttl: ttl.unwrap_or(TTL) })
}

/// What the operators of DANE domains use.
const TTL: u32 = 3600;
pub(super) const DANE: &[&str] = &["rfc2136", "exec"];
pub(super) const RFC2136: &[&str] =
    &["server", "zone", "key-name", "key-algorithm", "key-file", "ttl"];
pub(super) const EXEC: &[&str] = &["present", "remove", "timeout", "zone", "ttl"];
