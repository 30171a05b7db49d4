//! `[acme]`: the CA, and what is asked of it.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::eab::eab;
use super::fault::{Trouble, shown};
use super::raw::{self, Table};
use super::{Acme, builtin, profile, value};
use crate::model::Keys;

/// `[acme]` and its fallbacks. The terms must be agreed to as soon as there is something to order:
/// where domains are `wanted` and no certificates of others are named (`sourced`).
pub(super) fn acme(root: &Table<'_>, wanted: bool, sourced: bool) -> (Acme, Vec<Acme>) {
    let Some(table) = root.table("acme", raw::ACME) else {
        if wanted && !sourced && root.value("acme").is_none() {
            root.log.missing(
                None,
                Trouble::new("`agree-to-terms` is missing: no CA issues without it", "")
                    .help(format!("add `[acme]` and below it `{AGREED}`")),
            );
        }
        return (builtin().acme, Vec::new());
    };
    let acme = authority(&table, &builtin().acme);
    agreed(&table, raw::ACME, sourced);
    let fallbacks = fallbacks(&table, &acme, sourced);
    (acme, fallbacks)
}

/// `[[acme.fallback]]`: what one leaves out of contacts, key and number of names is as in `[acme]`.
fn fallbacks(table: &Table<'_>, acme: &Acme, sourced: bool) -> Vec<Acme> {
    let mut fallbacks: Vec<Acme> = Vec::new();
    for table in table.tables("acme.fallback", raw::FALLBACK) {
        let fallback = authority(&table, acme);
        agreed(&table, raw::FALLBACK, sourced);
        let span = table.value("directory").map_or_else(|| table.span.clone(), |value| value.span);
        if table.value("directory").is_none() && !table.misspelt("directory", raw::FALLBACK) {
            let expected = "expected `directory = \"https://..\"` below";
            table.log.missing(Some(span), Trouble::new("`directory` is missing", expected));
        } else if !fallback.directory.is_empty()
            && std::iter::once(acme).chain(&fallbacks).any(|ca| ca.directory == fallback.directory)
        {
            let message = format!("the CA at {} stands twice", fallback.directory);
            let trouble = Trouble::new(message, "expected each CA once");
            table.log.wrong(span, trouble.help("a fallback is another CA than those before it"));
        } else if fallback.keys != acme.keys {
            let span =
                table.value("key-types").map_or_else(|| table.span.clone(), |value| value.span);
            let message =
                format!("{} here and {} in [acme]", words(fallback.keys), words(acme.keys));
            let trouble = Trouble::new(message, "expected the same key type at every CA");
            table.log.wrong(span, trouble.help("leave it out: it is that of [acme]"));
        } else if let Some(value) = table.value("reuse-key")
            && fallback.reuse_key != acme.reuse_key
        {
            let message = format!("{} here and {} in [acme]", fallback.reuse_key, acme.reuse_key);
            let trouble = Trouble::new(message, "expected the same at every CA");
            value.wrong(trouble.help("leave it out: it is that of [acme]"));
        }
        fallbacks.push(fallback);
    }
    fallbacks
}

/// Insists that the CA's terms are agreed to.
fn agreed(table: &Table<'_>, known: &[&str], sourced: bool) {
    match table.value("agree-to-terms") {
        // Those who have others' certificates may wish for no orders at all.
        Some(value) if value.is(false) && sourced => {}
        Some(value) if value.is(false) => {
            let message = "the CA's terms are not agreed to";
            value.wrong(Trouble::new(message, "expected `true`").help(TERMS));
        }
        None if !table.misspelt("agree-to-terms", known) => table.log.missing(
            Some(table.span.clone()),
            Trouble::new("`agree-to-terms` is missing", format!("expected `{AGREED}` below"))
                .help(TERMS),
        ),
        _ => {}
    }
}

/// The keys that `[acme]` and `[[acme.fallback]]` share.
fn authority(table: &Table<'_>, default: &Acme) -> Acme {
    let contact = table.texts("contact", value::contact);
    let contact = contact.map(|list| list.into_iter().map(|(contact, _)| contact).collect());
    // What cannot be read is said already, and is no CA that stands twice.
    let directory = match table.value("directory") {
        None => builtin().acme.directory,
        Some(value) => value.text(value::acme_directory).unwrap_or_default(),
    };
    let acme = Acme {
        staging: staging(table, &directory),
        directory,
        ca_roots: table.text("ca-file", |text| roots(&value::path(text)?, table.log.file)),
        contact: contact.unwrap_or_else(|| default.contact.clone()),
        agree_to_terms: table.truth("agree-to-terms").unwrap_or_default(),
        keys: keys(table).unwrap_or(default.keys),
        reuse_key: table.truth("reuse-key").unwrap_or(default.reuse_key),
        profile: table.text("profile", value::word),
        preferred_chain: table.text("preferred-chain", value::word),
        names_per_certificate: table
            .whole("names-per-certificate", 1, 100)
            .unwrap_or(default.names_per_certificate),
        eab: eab(table),
    };
    profile::allows_names(table, &acme);
    acme
}

/// `staging`: another directory than the CA's own.
fn staging(table: &Table<'_>, directory: &str) -> Option<String> {
    let value = table.value("staging")?;
    let staging = value.text(value::acme_directory)?;
    if staging == directory {
        let message = "`staging` is the CA's own directory";
        value
            .wrong(Trouble::new(message, "expected one whose certificates are for nothing").help(
                "Let's Encrypt's is `letsencrypt-staging`; leave it out where there is none",
            ));
        return None;
    }
    Some(staging)
}

/// One key type, or an ECDSA one and an RSA one, in any order: a server shows one certificate of
/// each algorithm, and every client takes the one it knows.
fn keys(table: &Table<'_>) -> Option<Keys> {
    let types = table.some_texts("key-types", value::key_type)?;
    for (index, (key_type, value)) in types.iter().enumerate() {
        let before = &types[..index];
        let alike = before.iter().find(|(earlier, _)| earlier.is_rsa() == key_type.is_rsa());
        if before.iter().any(|(earlier, _)| earlier == key_type) {
            let message = format!("`{key_type}` stands twice");
            value.wrong(Trouble::new(message, "expected each key type once"));
        } else if let Some((earlier, _)) = alike {
            let message = format!("`{key_type}` beside `{earlier}`, which is the same algorithm");
            let trouble = Trouble::new(message, "expected one key type, or ECDSA and RSA");
            value.wrong(trouble.help("servers show one certificate of each algorithm"));
        }
    }
    let first = |rsa: bool| types.iter().map(|one| one.0).find(|one| one.is_rsa() == rsa);
    match (first(false), first(true)) {
        (Some(first), beside) => Some(Keys { first, beside }),
        (None, Some(rsa)) => Some(Keys::one(rsa)),
        (None, None) => None,
    }
}

fn words(keys: Keys) -> String {
    let all = std::iter::once(keys.first).chain(keys.beside);
    all.map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" and ")
}

/// The text of a file of root certificates, every one of which can be read.
pub(super) fn roots(
    path: &Path,
    file: &dyn Fn(&Path) -> Result<String, String>,
) -> Result<String, Trouble> {
    let text = content(path, file)?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        found += 1;
        let known = certificate.is_ok_and(|der| rustls::RootCertStore::empty().add(der).is_ok());
        if !known {
            let message = format!("certificate {found} of {} is damaged", name(path));
            return Err(Trouble::new(message, "expected root certificates in PEM"));
        }
    }
    match found {
        0 => Err(Trouble::new(
            format!("{} holds no certificate", name(path)),
            "expected root certificates in PEM",
        )),
        _ => Ok(text),
    }
}

/// The text of a file that must say something.
pub(super) fn content(
    path: &Path,
    file: &dyn Fn(&Path) -> Result<String, String>,
) -> Result<String, Trouble> {
    let text = file(path).map_err(|why| {
        let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Trouble::new(format!("{} cannot be read: {why}", name(path)), "expected a file to read")
    })?;
    match text.trim().is_empty() {
        true => {
            Err(Trouble::new(format!("{} is empty", name(path)), "expected a file with content"))
        }
        false => Ok(text),
    }
}

fn name(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

const AGREED: &str = "agree-to-terms = true";

const TERMS: &str = "read your CA's terms first; those of Let's Encrypt are at \
                     https://letsencrypt.org/repository/";
