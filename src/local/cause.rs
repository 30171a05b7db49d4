//! Where it lies, in one sentence. Pure.

use super::stores::{Kind, StoreRow};
use super::{Cause, Local, PortRow, is_well_known, openssl};
use crate::model::{Code, Inspection, Level, Timestamp};

/// The cause and its sentence; `issuer` is the root at which the chain ends. The first that
/// applies counts: without a connection nobody trusts anything.
pub(super) fn of(
    local: &Local,
    seen: &Inspection,
    issuer: Option<&str>,
    now: Timestamp,
) -> (Cause, String) {
    if local.address.is_none() {
        return (Cause::Dns, format!("it is the DNS: {}", found(seen)));
    }
    if local.ports.iter().any(|row| row.is_deaf(local.port)) {
        return unreached(local);
    }
    if local.tls.is_none() {
        return without_session(local, seen);
    }
    if let Some(fault) = of_the_server(local, seen, issuer, now) {
        return fault;
    }
    if let Some(row) = differing(&local.stores).find(|row| row.kind == Kind::System) {
        let why = row.why.as_deref().unwrap_or("it refuses the chain");
        return (Cause::TrustStore, format!("it is this system's trust store: {why}"));
    }
    if let Some(why) = local.policy.why.first() {
        return (Cause::Policy, format!("it is this system's TLS policy: {why}"));
    }
    if let Some(Differs { cause, why }) = openssl_differs(local) {
        let version = local.openssl.version.as_deref().unwrap_or("openssl");
        let what = if cause == Cause::Policy { "policy or the age" } else { "trust store" };
        return (cause, format!("it is the {what} of {version}: {why}"));
    }
    if let Some(row) = differing(&local.stores).next() {
        let why = row.why.as_deref().unwrap_or("it refuses the chain");
        return (Cause::TrustStore, format!("it is the trust store of {}: {why}", row.name));
    }
    (Cause::None, nothing(local))
}

/// Everything accepts it, as far as it could be asked.
fn nothing(local: &Local) -> String {
    let own = local.stores.iter().filter(|row| row.is_of_machine());
    match own.filter(|row| row.accepts.is_none()).count() {
        0 => "all of this machine's own stores accept it".to_owned(),
        unread => format!("this machine's own stores accept it; {unread} could not be read"),
    }
}

/// How the port of an inspection that came to no connection is.
pub(super) fn state(seen: &Inspection) -> &'static str {
    match seen.problems.first().map(|problem| problem.code) {
        Some(Code::Timeout) => "blocked",
        Some(Code::ConnectionRefused | Code::ConnectionClosed) => "refused",
        _ => "no route",
    }
}

fn unreached(local: &Local) -> (Cause, String) {
    let port = local.port;
    let state = local.ports.iter().find(|row| row.port == port).map_or("blocked", |row| row.found);
    let open: Vec<String> =
        local.ports.iter().filter(|row| row.open).map(|row| row.port.to_string()).collect();
    let what = match state {
        "no route" => format!("there is no route to port {port}"),
        state => format!("port {port} is {state}"),
    };
    // Of a provider's port that refuses, a firewall here is more likely than the provider.
    let (cause, whose) = match state == "refused" && !is_well_known(&local.host) {
        true => (Cause::Server, "the server or a firewall"),
        false => (Cause::Network, "the network"),
    };
    let rest = match open.as_slice() {
        [] => others(&local.ports, port, state),
        [one] => format!(", {one} works"),
        some => format!(", {} work", listed(some)),
    };
    (cause, format!("it is {whose}: {what}{rest}"))
}

/// The other ports where none is open.
fn others(ports: &[PortRow], port: u16, state: &str) -> String {
    let others: Vec<&PortRow> = ports.iter().filter(|row| row.port != port).collect();
    let same = others.iter().all(|row| row.found == state);
    let word = |row: &&PortRow| match same {
        true => row.port.to_string(),
        false => format!("{} is {}", row.port, row.found),
    };
    let words = listed(&others.iter().map(word).collect::<Vec<_>>());
    match (others.len(), same) {
        (0, _) => String::new(),
        (_, true) if state == "no route" => format!(", nor to {words}"),
        (1, true) => format!(", and so is {words}"),
        (_, true) => format!(", and so are {words}"),
        (_, false) => format!(", {words}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// There is a connection, but it came to no session.
fn without_session(local: &Local, seen: &Inspection) -> (Cause, String) {
    let code = seen.problems.first().map(|problem| problem.code);
    if code == Some(Code::NoStarttls) && is_well_known(&local.host) {
        let why = "something on the way takes STARTTLS out of the conversation";
        return (Cause::Network, format!("it is the network: {why} (firewall, virus scanner)"));
    }
    if let (Some(Code::ProtocolTooOld), Some(why)) = (code, local.policy.why.first()) {
        return (Cause::Policy, format!("it is the version: {why}"));
    }
    match code {
        Some(Code::Timeout | Code::ConnectionClosed) if is_well_known(&local.host) => (
            Cause::Network,
            format!("it is the network: the connection breaks off, {}", found(seen)),
        ),
        Some(Code::ProtocolTooOld) => {
            (Cause::Server, format!("it is the version: the server speaks {}", found(seen)))
        }
        Some(code) => (Cause::Server, format!("it is the server: {code}, {}", found(seen))),
        None => (Cause::Server, "it is the server: it showed nothing the second time".to_owned()),
    }
}

/// What is wrong with what is shown, whoever looks; of a large provider that is rather somebody on
/// the way, or the clock here.
fn of_the_server(
    local: &Local,
    seen: &Inspection,
    issuer: Option<&str>,
    now: Timestamp,
) -> Option<(Cause, String)> {
    let refuses = |row: &&StoreRow| row.accepts == Some(false);
    let refused = local.stores.iter().find(|row| row.kind == Kind::Reference).filter(refuses);
    let compiled_in = |row: &&StoreRow| matches!(row.kind, Kind::Mozilla | Kind::Reference);
    let public = local.stores.iter().rfind(compiled_in).filter(refuses);
    let trusted = |row: &&StoreRow| row.kind == Kind::System && row.accepts == Some(true);
    let issuer = issuer.unwrap_or("somebody else");
    let mut faults = seen.problems.iter().filter(|problem| problem.level == Level::Fail);
    let known = is_well_known(&local.host);
    match faults.next().map(|fault| fault.code) {
        Some(Code::Expired | Code::NotYetValid) if known => {
            let what = format!("this machine's clock, or the server: it is {now} here");
            Some((Cause::Clock, format!("it is {what}")))
        }
        _ if known && public.is_some() => {
            let what = "something on the way answers in its place, with a certificate of";
            Some((Cause::Network, format!("it is the network: {what} {issuer}")))
        }
        Some(Code::UntrustedRoot | Code::SelfSigned)
            if local.stores.iter().any(|row| trusted(&row)) =>
        {
            let what = "which public senders do not know";
            Some((Cause::None, format!("this system trusts it, by {issuer}, {what}")))
        }
        Some(code) => {
            Some((Cause::Server, format!("it is the server: {code}, whoever looks (see above)")))
        }
        None if refused.is_some() => {
            let what = format!("its chain ends at {issuer}, which is not among the roots");
            Some((Cause::Server, format!("it is the server: {what}")))
        }
        None => None,
    }
}

impl StoreRow {
    /// Whether programs of this machine use it.
    fn is_of_machine(&self) -> bool {
        matches!(self.kind, Kind::System | Kind::Java)
    }
}

/// The stores of this machine that refuse what the roots that decide accept.
pub(super) fn differing(stores: &[StoreRow]) -> impl Iterator<Item = &StoreRow> {
    let accepted =
        stores.iter().any(|row| row.kind == Kind::Reference && row.accepts == Some(true));
    stores.iter().filter(move |row| accepted && row.is_of_machine() && row.accepts == Some(false))
}

/// Why `openssl` refuses, and where that lies.
pub(super) struct Differs<'a> {
    pub(super) cause: Cause,
    pub(super) why: &'a str,
}

/// Whether `openssl` refuses what our own look accepts, where neither the store nor the policy
/// that were read explain it.
pub(super) fn openssl_differs(local: &Local) -> Option<Differs<'_>> {
    let ours = |row: &&StoreRow| matches!(row.kind, Kind::Reference | Kind::System);
    let mut stores = local.stores.iter().filter(ours).peekable();
    let shown = stores.peek().is_some() && local.policy.why.is_empty();
    let unexplained = shown && stores.all(|row| row.accepts == Some(true));
    let refuses = unexplained && local.openssl.accepts == Some(false);
    let why = local.openssl.why.as_deref().filter(|_| refuses)?;
    let cause = match local.openssl.verify_error {
        Some(number) if !openssl::is_about_strength(number) => Cause::TrustStore,
        _ => Cause::Policy,
    };
    Some(Differs { cause, why })
}

/// What the first problem found.
fn found(seen: &Inspection) -> String {
    let problem = seen.problems.first();
    problem
        .and_then(|problem| problem.found.first().cloned())
        .unwrap_or_else(|| "nothing".to_owned())
}
