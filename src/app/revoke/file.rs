//! `revoke FILE --key KEY.pem`: a certificate that is not held, revoked with its own key (RFC 8555
//! section 7.6). Nothing is asked of the CA before it is certain that the two belong together.

use std::path::Path;

use crate::app::Failure;
use crate::app::look::files::{self, What};
use crate::app::output::{Output, ask_consent, can_ask, say};
use crate::app::session::Session;
use crate::cli::{self, With};
use crate::config;
use crate::issue::SignedBy;
use crate::model::{Deed, Facts, PrivateKey, Revocation};
use crate::report::{Body, Report, Revoked};
use crate::store::Store as _;
use crate::verify::judge;

/// Revokes the certificate in a file.
pub(super) async fn revoke(
    session: &Session,
    path: &Path,
    typed: &cli::Revoke,
    output: &Output,
) -> Result<u8, Failure> {
    let shown = path.display();
    makes_sense(path, typed)?;
    let text = files::text_of(path, What::Chain)?;
    let bad = |bad| files::of_chain(path, &bad);
    let chain = judge::chain_of_pem(&text).map_err(bad)?;
    let facts = judge::facts_of_chain(&text).map_err(bad)?;
    let Some((key_path, key)) = files::key_of(path, &text, typed.key.as_deref())? else {
        return Err(Failure::helped(
            format_args!("{shown}: which key signs? There is none in it"),
            format_args!("add the certificate's own: `{} --key KEY.pem`", call(path, typed)),
        ));
    };
    if let Some(fault) = files::mismatch(key_path, &key, &text)? {
        let expected = fault.expected.unwrap_or_default();
        let found = fault.found.join(", ");
        return Err(Failure::usage(format_args!("{found}; expected {expected} in {shown}")));
    }
    not_held(session, path, &facts, typed.reason)?;
    let directory = directory(session, typed, &facts)?;
    consent(path, typed, &facts, &directory)?;
    let known = session.authorities().find(|(settings, _)| settings.directory == directory);
    let other;
    let ca = match known {
        Some((_, ca)) => ca,
        None => {
            other = session.ca_at(directory.clone())?;
            &other
        }
    };
    let _lock = session.lock(output).await?;
    let key = PrivateKey::from_pem(key.to_string());
    let asked = ca.revoke(&chain[0], typed.reason, SignedBy::Certificate(&key)).await;
    asked.map_err(|refusal| {
        let message = format!("{shown} is not revoked: {}", refusal.sentence());
        let help = format!("it was asked of {directory}; `--ca DIRECTORY` names another CA");
        Failure::work_helped(message, help)
    })?;
    let what = format!("revoked the certificate in {shown} ({})", typed.reason);
    let about: Vec<&dyn std::fmt::Display> = facts.names.iter().map(|name| name as _).collect();
    let deed = Deed::asked_for(session.how.moment(), &about, what);
    session.store.tell(&[deed]).map_err(Failure::store)?;
    let findings = files::exposed(key_path).into_iter().collect();
    let body = Body::Revoked(Revoked {
        certificate: None,
        version: None,
        file: Some(shown.to_string()),
        serial: facts.serial,
        reason: typed.reason.as_str(),
        signed_by: "certificate",
    });
    output.answer(&Report::new("revoke", body, findings))?;
    Ok(0)
}

/// The CA that issued the certificate: the one that a person names, else the one that is known by
/// its issuer, else the first of the configuration.
fn directory(session: &Session, typed: &cli::Revoke, facts: &Facts) -> Result<String, Failure> {
    if let Some(named) = &typed.ca {
        let named = config::acme_directory(named);
        return named.map_err(|why| Failure::usage(format_args!("--ca: {why}")));
    }
    if let Some((settings, _)) = session.known_as(&facts.issuer)? {
        return Ok(settings.directory.clone());
    }
    let first = &session.config.acme.directory;
    say(&format!(
        "which CA issued it is not known ({}): {first} is asked, `--ca DIRECTORY` names another",
        facts.issuer
    ));
    Ok(first.clone())
}

/// Options that are for what is held.
fn makes_sense(path: &Path, typed: &cli::Revoke) -> Result<(), Failure> {
    let shown = path.display();
    if typed.number.is_some() {
        return Err(Failure::helped(
            format_args!("--version is for a certificate that is held, and {shown} is a file"),
            "`mailcert status` lists those that are held",
        ));
    }
    if typed.with == Some(With::Account) {
        return Err(Failure::helped(
            format_args!("--with account is for a certificate that is held: {shown} is a file"),
            "a file is revoked with its own key, by --key",
        ));
    }
    Ok(())
}

/// Insists that revoking the file takes nothing from what is held: neither itself, nor the key it
/// shares, all of whose certificates a CA revokes once others have it.
fn not_held(
    session: &Session,
    path: &Path,
    facts: &Facts,
    reason: Revocation,
) -> Result<(), Failure> {
    let all = session.store.certificates().map_err(Failure::store)?;
    for kept in &all {
        for (version, held) in &kept.versions {
            let what = match () {
                () if held.leaf == facts.leaf => "is",
                () if held.spki == facts.spki && reason == Revocation::KeyCompromise => {
                    "has the same key as"
                }
                () => continue,
            };
            let name = &kept.name;
            return Err(Failure::work_helped(
                format_args!(
                    "{} {what} version {version} of {name}, which is held",
                    path.display()
                ),
                format_args!(
                    "`mailcert revoke {name} --version {version}` replaces that where it is \
                     shown and then revokes it"
                ),
            ));
        }
    }
    Ok(())
}

/// Asks a person, unless `--yes` was said.
fn consent(
    path: &Path,
    typed: &cli::Revoke,
    facts: &Facts,
    directory: &str,
) -> Result<(), Failure> {
    let shown = path.display();
    if typed.yes {
        return Ok(());
    }
    if !can_ask() {
        let key =
            typed.key.as_ref().map_or_else(String::new, |key| format!(" --key {}", key.display()));
        return Err(Failure::work_helped(
            format_args!("{shown} is not revoked: there is no terminal to ask on"),
            format_args!("`{}{key} --yes` revokes it without asking", call(path, typed)),
        ));
    }
    let names: Vec<String> = facts.names.iter().take(SOME).map(ToString::to_string).collect();
    let more = match facts.names.len().saturating_sub(SOME) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let question = format!(
        "Revoke the certificate in {shown} for {}{more} (valid to {}) at {directory} ({})?",
        names.join(", "),
        facts.not_after,
        typed.reason
    );
    match ask_consent(&question) {
        true => Ok(()),
        false => Err(Failure::work(format_args!("{shown} is not revoked: the answer was no"))),
    }
}

/// What was typed, without the key.
fn call(path: &Path, typed: &cli::Revoke) -> String {
    let mut call = format!("mailcert revoke {}", path.display());
    if typed.reason != Revocation::KeyCompromise {
        call += &format!(" --reason {}", typed.reason);
    }
    if let Some(ca) = &typed.ca {
        call += &format!(" --ca {ca}");
    }
    call
}

/// Names in a question.
const SOME: usize = 3;
