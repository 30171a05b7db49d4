//! Postfix: what is not for the world to see in main.cf and master.cf.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Code, Finding};
use crate::servers::ServerId;
use crate::servers::lint::protocols::of_postfix;
use crate::servers::lint::{Named, Side};
use crate::servers::postfix::map_suffix;
use crate::servers::postfix_settings::MasterLine;

/// What Postfix says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Postfix<'a> {
    /// Which.
    pub id: &'a ServerId,
    /// Where main.cf is.
    pub config_directory: &'a str,
    /// All of `postconf -x`: defaults as well.
    pub main: &'a BTreeMap<String, String>,
    /// `postconf -M`.
    pub services: &'a [MasterLine],
    /// `postconf -P`.
    pub overrides: &'a BTreeMap<String, String>,
    /// `postconf -m`.
    pub map_types: &'a [&'a str],
}

/// Everything that is found.
#[must_use]
pub fn postfix(at: Postfix<'_>) -> Vec<Finding> {
    [at.outbound(), at.inbound(), at.maps()]
        .into_iter()
        .flatten()
        .chain(PROTOCOLS.into_iter().filter_map(|name| at.protocols(name)))
        .collect()
}

/// The files with keys and certificates that are in use. The legacy settings count for nothing
/// where `smtpd_tls_chain_files` is set (postconf(5)).
#[must_use]
pub fn postfix_files(main: &BTreeMap<String, String>) -> Vec<Named> {
    let value = |name: &str| main.get(name).map_or("", |value| value.as_str());
    let mut all = Vec::new();
    for (prefix, side) in [("smtpd_tls_", Side::Server), ("smtp_tls_", Side::Client)] {
        let chains = format!("{prefix}chain_files");
        let names = match words(value(&chains)).next() {
            Some(_) => vec![chains],
            None => LEGACY.map(|name| format!("{prefix}{name}")).to_vec(),
        };
        for name in &names {
            all.extend(Named::all(name, words(value(name)), side));
        }
    }
    for map in words(value(SNI_MAPS)) {
        let Some((kind, source)) = map.split_once(':') else { continue };
        if let Some(suffix) = map_suffix(kind) {
            let built = format!("{source}.{suffix}");
            all.extend(Named::all(SNI_MAPS, std::iter::once(built.as_str()), Side::Map));
        }
    }
    all
}

impl Postfix<'_> {
    fn value(&self, name: &str) -> &str {
        self.main.get(name).map_or("", |value| value.as_str())
    }

    /// The setting as a service of master.cf has it.
    fn of_service(&self, line: &MasterLine, name: &str) -> &str {
        let own = self.overrides.get(&format!("{}/{}/{name}", line.name, line.kind));
        own.map_or_else(|| self.value(name), |value| value.as_str())
    }

    fn finding(&self, code: Code, message: String) -> Finding {
        Finding::new(code, self.id, message)
    }

    fn postconf(&self) -> String {
        postconf(self.config_directory)
    }

    fn is_on(&self, line: Option<&MasterLine>, level: &str, legacy: [&str; 2]) -> bool {
        let value = |name: &str| match line {
            Some(line) => self.of_service(line, name),
            None => self.value(name),
        };
        match value(level) {
            "" => legacy.into_iter().any(|name| value(name) == "yes"),
            level => level != "none",
        }
    }

    /// Whether mail to others goes out by TLS. A service with a name of its own (a filter, a
    /// relay on loopback) is the admin's choice.
    fn outbound(&self) -> Option<Finding> {
        let level = "smtp_tls_security_level";
        let legacy = ["smtp_use_tls", "smtp_enforce_tls"];
        let (at, postconf) = (self.config_directory, self.postconf());
        if !self.is_on(None, level, legacy) {
            let found = shown(self.value(level));
            let message = format!(
                "{level} is {found} in {at}/main.cf: mail to others leaves in the clear, and \
                 Workspace domains that demand TLS reject it; expected may; `{postconf} -e \
                 '{level} = may'`"
            );
            return Some(self.finding(Code::OutboundTlsOff, message));
        }
        let line = self.services.iter().find(|line| {
            line.kind == "unix"
                && ["smtp", "relay"].contains(&line.name.as_str())
                && !self.is_on(Some(line), level, legacy)
        })?;
        let name = &line.name;
        let message = format!(
            "{level} is {} for the service {name} in {at}/master.cf: what it delivers leaves in \
             the clear; expected no override; `{postconf} -PX {name}/unix/{level}`",
            shown(self.of_service(line, level)),
        );
        Some(self.finding(Code::OutboundTlsOff, message))
    }

    /// Whether every service that takes mail offers TLS.
    fn inbound(&self) -> Option<Finding> {
        let off: Vec<&MasterLine> =
            self.services.iter().filter(|line| self.is_bare(line)).collect();
        let first = off.first()?;
        let level = level_of(first);
        let names: Vec<&str> = off.iter().map(|line| line.name.as_str()).collect();
        let (at, postconf) = (self.config_directory, self.postconf());
        let found = shown(self.of_service(first, level));
        let own = format!("{}/inet/{level}", first.name);
        let (file, cure) = match self.overrides.contains_key(&own) {
            true => ("master.cf", format!("`{postconf} -P {own}=may`")),
            false => ("main.cf", format!("`{postconf} -e '{level} = may'`")),
        };
        let message = format!(
            "{level} is {found} in {at}/{file}: no TLS is offered at {}; expected may, or encrypt \
             for submission; {cure}",
            names.join(", "),
        );
        Some(self.finding(Code::InboundTlsOff, message))
    }

    fn is_bare(&self, line: &MasterLine) -> bool {
        let takes_mail = matches!(line.program.as_str(), "smtpd" | "postscreen");
        // A content filter's way back; nobody on the wire sees it.
        let own = ["127.0.0.1:", "localhost:", "[::1]:", "[127.0.0.1]:"];
        let here = own.iter().any(|host| line.name.starts_with(host));
        let legacy = ["smtpd_use_tls", "smtpd_enforce_tls"];
        line.kind == "inet"
            && takes_mail
            && !here
            && self.of_service(line, "smtpd_tls_wrappermode") != "yes"
            && !self.is_on(Some(line), level_of(line), legacy)
    }

    /// Maps of Berkeley DB where there is none. What repeats other settings' values is left out.
    fn maps(&self) -> Option<Finding> {
        let missing: Vec<&str> =
            BERKELEY.into_iter().filter(|kind| !self.map_types.contains(kind)).collect();
        let named = self.main.iter().filter(|(name, _)| !REPEATS.contains(&name.as_str()));
        let found: Vec<(&str, &str)> = named
            .flat_map(|(name, value)| words(value).map(move |word| (name.as_str(), word)))
            .filter_map(|(name, word)| {
                let (kind, path) = word.strip_prefix("proxy:").unwrap_or(word).split_once(':')?;
                (missing.contains(&kind) && path.starts_with('/')).then_some((name, kind))
            })
            .collect();
        let (name, kind) = *found.first()?;
        let settings: BTreeSet<&str> = found.iter().map(|(name, ..)| *name).collect();
        let settings: Vec<&str> = settings.into_iter().collect();
        let has = |kind: &&str| self.map_types.contains(kind);
        let usable = ["lmdb", "cdb", "texthash"].into_iter().find(has).unwrap_or("texthash");
        let cured = self.value(name).replace(&format!("{kind}:/"), &format!("{usable}:/"));
        let message = format!(
            "{} in {}/main.cf: maps of type {kind} (Berkeley DB), which this Postfix does not \
             have; expected {usable}; `{} -e '{name} = {cured}'`, and build it \
             (postmap, newaliases)",
            settings.join(", "),
            self.config_directory,
            self.postconf(),
        );
        Some(self.finding(Code::MapTypeMissing, message))
    }

    fn protocols(&self, name: &str) -> Option<Finding> {
        let text = self.main.get(name)?;
        let weak = of_postfix(text)?;
        let message = format!(
            "{name} is {} in {}/main.cf, which {}; expected >=TLSv1.2; `{} -e '{name} = \
             >=TLSv1.2'`",
            shown(text),
            self.config_directory,
            weak.said(),
            self.postconf(),
        );
        Some(self.finding(Code::OldProtocolAllowed, message).at(weak.level()))
    }
}

/// `postconf`, pasteable for instances that are not the first.
pub(super) fn postconf(config_directory: &str) -> String {
    match config_directory {
        "/etc/postfix" => "postconf".to_owned(),
        other => format!("postconf -c {other}"),
    }
}

fn level_of(line: &MasterLine) -> &'static str {
    match line.program.as_str() {
        "postscreen" => "postscreen_tls_security_level",
        _ => "smtpd_tls_security_level",
    }
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "empty" } else { value }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', ',']).filter(|word| !word.is_empty())
}

const SNI_MAPS: &str = "tls_server_sni_maps";
const PROTOCOLS: [&str; 2] = ["smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"];
/// Before `chain_files` (Postfix 3.4).
const LEGACY: [&str; 4] = ["cert_file", "key_file", "eccert_file", "eckey_file"];
/// Map types that are Berkeley DB.
const BERKELEY: [&str; 2] = ["hash", "btree"];
/// Settings whose defaults consist of others' values.
const REPEATS: [&str; 2] = ["local_recipient_maps", "proxy_read_maps"];

#[cfg(test)]
mod tests;
