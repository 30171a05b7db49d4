//! What to do about it, for everything that was found and not for the first alone. Pure.

use serde::Serialize;

use super::cause::{differing, openssl_differs};
use super::stores::{Kind, Root, StoreRow};
use super::{Cause, Local, Own, system};

/// What to do, and the commands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// In words.
    pub what: String,
    /// Commands, in order; none where the words say it all.
    pub commands: Vec<String>,
}

impl Advice {
    pub(super) fn new(what: impl Into<String>, commands: &[&str]) -> Self {
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        Self { what: what.into(), commands }
    }
}

/// `needed` are the roots of which the stores lack one; whether they are `public` decides whether
/// an update brings them.
pub(super) fn of(local: &Local, needed: &[Root], public: bool, own: &Own) -> Vec<Advice> {
    let mut advice = Vec::new();
    let differing: Vec<&StoreRow> = differing(&local.stores).collect();
    let openssl = openssl_differs(local).map(|differs| differs.cause);
    let system = differing.iter().any(|row| row.kind == Kind::System);
    if system || openssl == Some(Cause::TrustStore) {
        advice.extend(of_system(needed, public, own));
    }
    if !local.policy.why.is_empty() {
        advice.push(of_policy(local));
    } else if openssl == Some(Cause::Policy) {
        let what = "see what OpenSSL offers, by its own bounds where no file sets them";
        advice.push(Advice::new(what, &["openssl version -d", "openssl ciphers -s -v"]));
    }
    for row in differing.iter().filter(|row| row.kind == Kind::Java) {
        let cacerts = row.path.as_deref().unwrap_or("CACERTS");
        let new = own.os.refresh_java(&row.name, cacerts, public);
        // Several JVMs may share one file.
        match advice.iter_mut().find(|old| old.commands == new.commands) {
            Some(old) => old.what.push_str(&format!(", {}", row.name)),
            None => advice.push(new),
        }
    }
    advice.extend(of_cause(local));
    advice
}

fn of_system(needed: &[Root], public: bool, own: &Own) -> Vec<Advice> {
    if let Some(variables) = own.environment.store_variables() {
        let what = format!("{variables} names another store than the system's: mend or unset it");
        return vec![Advice::new(what, &[])];
    }
    let mut advice = Vec::new();
    let left_out = needed.iter().find(|root| system::is_deselected(&own.deselected, &root.name));
    if let Some(Root { name, .. }) = left_out {
        let what = format!("/etc/ca-certificates.conf leaves out {name}: take it in again");
        advice.push(Advice::new(what, &["dpkg-reconfigure ca-certificates"]));
    }
    advice.extend(own.os.refresh(public));
    advice
}

fn of_policy(local: &Local) -> Advice {
    match &local.policy.policy.crypto_policy {
        Some(name) if name != "DEFAULT" => Advice::new(
            format!("the crypto policy is {name}; the usual one is DEFAULT"),
            &["update-crypto-policies --set DEFAULT"],
        ),
        _ => Advice::new(
            "change that line, or mend the server; MinProtocol = TLSv1.2 and @SECLEVEL=2 are usual",
            &[],
        ),
    }
}

fn of_cause(local: &Local) -> Option<Advice> {
    let open = local.ports.iter().filter(|row| row.port != 25).find(|row| row.open);
    let (host, port) = (&local.host, local.port);
    match (local.cause, open) {
        (Cause::Dns, _) => Some(Advice::new(
            "ask the resolver of this machine, and another",
            &[
                &format!("getent ahosts {host}"),
                &format!("mailcert verify --dns 9.9.9.9:53 {host}:{port}"),
            ],
        )),
        (Cause::Network, Some(open)) if open.port != port => {
            let what = format!("let the program use port {}, with a login", open.port);
            Some(Advice::new(what, &[]))
        }
        (Cause::Network, None) if port == 25 => Some(Advice::new(
            "many networks block port 25: ask their owner, or send by a smarthost on port 587",
            &[],
        )),
        (Cause::Network, _) => {
            Some(Advice::new("ask whoever runs the network or its firewall", &[]))
        }
        (Cause::Clock, _) => Some(Advice::new("look at the clock", &["timedatectl status"])),
        _ => None,
    }
}
