//! The gate before an install: whether the chain of a version, with only what will be served,
//! leads to a root that senders know. A version that does not pass is not shown.
//!
//! What is installed already has passed, and its proofs speak for it: only what is new is opened.

use std::collections::HashSet;

use crate::model::{Bundle, Code, DnsId, Facts, Hostname, Level, Sha256, Timestamp};
use crate::plan::{Held, version_to_show};
use crate::store::{Diary, Store};
use crate::verify::judge::{self, Known};
use crate::verify::{Fault, visible};

/// The certificates with what keeps a version of them from being shown. Of each only the version
/// that would be shown is looked at, and the one before it where that one may not be.
#[must_use]
pub fn gated(
    mut held: Vec<Held>,
    diary: &Diary,
    store: &dyn Store,
    known: Known<'_>,
    now: Timestamp,
) -> Vec<Held> {
    let installed: HashSet<Sha256> = diary.installed.values().map(|file| file.identity).collect();
    let passed = |facts: &Facts| {
        [facts.combined, facts.chain_file].iter().any(|file| installed.contains(file))
    };
    for held in &mut held {
        while let Some(best) = version_to_show(held, now) {
            if passed(&best.facts) || best.is_bad() || !best.facts.valid_at(now) {
                break;
            }
            let Ok(bundle) = store.bundle(&held.name, best.version) else { break };
            let Some(why) = unfit(&bundle.chain, &best.facts, known, now) else { break };
            let version = best.version;
            let own = held.versions.iter_mut().find(|own| own.version == version);
            let Some(own) = own else { break };
            own.unfit = Some(why);
        }
    }
    held
}

/// Why senders refuse this chain (PEM) of a certificate, if they do.
#[must_use]
pub fn unfit(chain: &str, facts: &Facts, known: Known<'_>, now: Timestamp) -> Option<String> {
    let faults = match faults(chain, facts, known, now) {
        Ok(faults) => faults,
        Err(why) => return Some(why),
    };
    let said: Vec<String> =
        faults.iter().filter(|fault| counts(fault.code)).map(sentence).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The first thing for which senders refuse this pair, its dates included.
pub(super) fn refused(
    bundle: &Bundle,
    facts: &Facts,
    known: Known<'_>,
    now: Timestamp,
) -> Option<Code> {
    let Ok(faults) = faults(&bundle.chain, facts, known, now) else { return Some(Code::NoSan) };
    faults.iter().map(|fault| fault.code).find(|code| code.level() == Level::Fail)
}

/// What is wrong with the chain for a host that the leaf names.
fn faults(
    chain: &str,
    facts: &Facts,
    known: Known<'_>,
    now: Timestamp,
) -> Result<Vec<Fault>, String> {
    let sent = judge::chain_of_pem(chain).map_err(|error| error.to_string())?;
    let host = match facts.names.first() {
        Some(DnsId::Host(host)) => Some(host.clone()),
        Some(DnsId::Wildcard(domain)) => Hostname::parse(&format!("any.{domain}")).ok(),
        None => None,
    };
    let host = host.ok_or_else(|| "it names no host".to_owned())?;
    Ok(judge::judge(&sent, &host, known, now).faults)
}

/// Dates are not the gate's: a new certificate's time may begin while a clock is slow, and one that
/// has ended is shown only where nothing better is held.
fn counts(code: Code) -> bool {
    code.level() == Level::Fail && !matches!(code, Code::Expired | Code::NotYetValid)
}

fn sentence(fault: &Fault) -> String {
    let found: Vec<String> = fault.found.iter().map(|text| visible(text)).collect();
    let expected = fault.expected.as_ref().map_or_else(String::new, |it| format!(", not {it}"));
    match found.as_slice() {
        [] => fault.code.to_string(),
        found => format!("{}: {}{expected}", fault.code, found.join(", ")),
    }
}
