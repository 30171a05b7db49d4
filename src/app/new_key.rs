//! Keys that a person asks for: `--drop-rsa`, and `run --new-key`: which certificates are to get a new key, whether that is possible, and whether
//! it came about. Revoking one that is shown asks for the same.

use std::collections::BTreeMap;

use crate::app::session::Session;
use crate::app::work::held;
use crate::app::{Failure, hold};
use crate::cli::Rsa;
use crate::flow::{self, Fresh, Notes};
use crate::model::{CertName, Code, DnsId, Finding, Hostname, Version};
use crate::plan::HeldVersion;

/// The same session, in which these certificates get a new key.
///
/// # Errors
/// [`Failure`] where one is not held, or nothing that is known from here would order it.
pub(super) async fn wanted(session: Session, names: &[CertName]) -> Result<Session, Failure> {
    let mut new_keys: BTreeMap<CertName, Version> = BTreeMap::new();
    for name in names {
        let found = held(&session, name)?;
        hold::is_free(&session, name)?;
        let Some(newest) = found.versions.last() else {
            return Err(Failure::helped(
                format_args!("{name} has no version that can be used, so it has no key either"),
                "`mailcert fix` orders one",
            ));
        };
        let what = format!("{name} gets no new key:");
        if let Some(owner) = name.owner() {
            return Err(Failure::helped(
                format_args!("{what} {owner} made it and has to make the next one"),
                "`mailcert run` shows that then",
            ));
        }
        orderable(&session, name, newest, &what).await?;
        new_keys.insert(name.clone(), newest.version);
    }
    Ok(session.with_new_keys(new_keys))
}

/// The same session; whether RSA certificates are to go that the configuration does not ask for.
///
/// # Errors
/// [`Failure`] when it asks for them.
pub(super) fn without_rsa(session: Session, typed: Rsa) -> Result<Session, Failure> {
    let keys = &session.config.acme.keys;
    let mut asked = std::iter::once(keys.first).chain(keys.beside);
    match asked.find(|one| typed.drop_rsa && one.is_rsa()) {
        Some(rsa) => Err(Failure::helped(
            format_args!("--drop-rsa, and `key-types` asks for {rsa}"),
            "take it out of `key-types` in [acme] first",
        )),
        None => Ok(session.dropping_rsa(typed.drop_rsa)),
    }
}

/// Insists that the configuration lets a certificate be ordered; `what` begins the sentence.
///
/// # Errors
/// [`Failure`] with what to write into it.
pub(super) async fn orderable(
    session: &Session,
    name: &CertName,
    old: &HeldVersion,
    what: &str,
) -> Result<(), Failure> {
    if !session.config.acme.agree_to_terms {
        return Err(Failure::helped(
            format_args!("{what} none can be ordered: no CA's terms are agreed to"),
            "add `[acme]` and below it `agree-to-terms = true`",
        ));
    }
    if let Some(unasked) = unasked_for(session, name, old).await? {
        return Err(Failure::helped(
            format_args!("{what} no `[[domain]]` asks for one for {unasked}"),
            format_args!(
                "add `[[domain]]` and below it `name = \"{unasked}\"`, for the time being"
            ),
        ));
    }
    Ok(())
}

/// What the configuration would have to name, where neither it nor the mail records of its domains
/// name any host of a certificate.
async fn unasked_for(
    session: &Session,
    name: &CertName,
    old: &HeldVersion,
) -> Result<Option<Hostname>, Failure> {
    let hosts = || old.facts.names.iter().map(|(DnsId::Host(host) | DnsId::Wildcard(host))| host);
    let mut domains = session.config.domains.iter();
    if domains.any(|domain| hosts().any(|host| domain.holds(host))) {
        return Ok(None);
    }
    let means = session.means(&|_| {});
    let found = flow::discover(&means, Fresh::Anew, Notes::None).await.map_err(Failure::store)?;
    let mut found = found.iter().flat_map(|domain| &domain.hosts);
    if found.any(|found| found.included && old.facts.covers(&found.host)) {
        return Ok(None);
    }
    let group = Hostname::parse(name.as_str()).ok();
    let group = group.filter(|group| hosts().any(|host| host.is_within(group)));
    Ok(group.or_else(|| hosts().next().cloned()))
}

/// What is to be said of certificates that still have no new key after the run: what stands in the
/// way is in its other findings.
///
/// # Errors
/// [`Failure`] when the state cannot be read.
pub(super) fn missing(session: &Session) -> Result<Vec<Finding>, Failure> {
    let mut said = Vec::new();
    for (name, before) in &session.new_keys {
        let found = held(session, name)?;
        let old = found.versions.iter().find(|one| one.version == *before);
        let is_new = |one: &HeldVersion| {
            one.version > *before && old.is_none_or(|old| old.facts.spki != one.facts.spki)
        };
        if !found.versions.iter().any(is_new) {
            let message = format!("{name} still has the key that it had before this run");
            said.push(Finding::new(Code::OrderFailed, name, message));
        }
    }
    Ok(said)
}
