//! The keys that senders pin for the hosts served here.

use std::collections::BTreeSet;

use crate::dns::{Dns, Kind, Record, Reply};
use crate::model::{CertName, Sha256};
use crate::plan::{Action, Desired, Pins, Plan};

/// The authenticated pins of the hosts for which the plan makes or shows another key; nobody
/// else's are asked for.
pub async fn pins(dns: &dyn Dns, plan: &Plan, desired: &Desired) -> Vec<Pins> {
    let changed: BTreeSet<&CertName> =
        plan.steps.iter().filter_map(|step| shown_anew(&step.action)).collect();
    let wishes = desired.certificates.iter().filter(|wish| changed.contains(&wish.name));
    let mut pins = Vec::new();
    for host in wishes.flat_map(|wish| &wish.names) {
        let answer = dns.ask(&format!("_25._tcp.{host}"), Kind::Tlsa).await;
        let Reply::Records(records) = answer.reply else { continue };
        let keys: Vec<Sha256> = records.iter().filter_map(pinned_key).collect();
        if answer.authenticated && !keys.is_empty() {
            pins.push(Pins { host: host.clone(), keys });
        }
    }
    pins
}

/// The certificate a step makes or shows anew.
fn shown_anew(action: &Action) -> Option<&CertName> {
    match action {
        Action::Issue { .. } | Action::Install { .. } => action.certificate(),
        _ => None,
    }
}

/// The key hash of a TLSA record for an end entity's key: usage 3 or 1, selector 1, matching 1
/// (RFC 6698 section 2.1).
fn pinned_key(record: &Record) -> Option<Sha256> {
    match record {
        Record::Tlsa { usage: 1 | 3, selector: 1, matching: 1, data } => {
            data.as_slice().try_into().ok().map(Sha256)
        }
        _ => None,
    }
}
