//! What is wrong with an installed file that somebody touched, so that the plan can name it.
//!
//! Only files that do not look as they were left are read. Of a built map nothing can be said from
//! its bytes: `postmap` is asked for every name of its source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::command;
use crate::model::{DnsId, Hostname, Level, Timestamp};
use crate::plan::{Damage, FileSeen};
use crate::servers::{Kind, Postfix, SNI_SOURCE, Server, map_path};
use crate::store::Diary;
use crate::survey::files::{self, Lying};
use crate::verify::judge::{self, BadBundle, Known};

/// What is wrong with the touched files of a server that hold something else than was put there.
pub(super) async fn damaged(
    server: &Server,
    lying: &Lying,
    diary: &Diary,
    known: Known<'_>,
    now: Timestamp,
) -> BTreeMap<PathBuf, Damage> {
    let mut all = BTreeMap::new();
    for path in &lying.touched {
        let was = diary.installed.get(path).map(|file| file.identity);
        let Some(FileSeen::Regular { identity: Some(identity), .. }) = lying.seen.get(path) else {
            continue;
        };
        if was != Some(*identity)
            && let Some(bytes) = files::bytes(path)
            && let Some(damage) = of_file(&bytes, known, now)
        {
            all.insert(path.clone(), damage);
        }
    }
    if let Kind::Postfix(postfix) = &server.kind
        && let Some(map) = map_path(server).filter(|map| lying.touched.contains(map))
        && let Some(damage) = of_map(server, postfix).await
    {
        all.insert(map, damage);
    }
    all
}

/// What is wrong with the bytes of a key, a chain, or both in one file.
fn of_file(bytes: &[u8], known: Known<'_>, now: Timestamp) -> Option<Damage> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Some(Damage::Garbage) };
    let key = text.find("PRIVATE KEY-----");
    let leaf = text.find("-----BEGIN CERTIFICATE");
    let facts = match judge::facts_of_chain(text) {
        Ok(facts) => facts,
        Err(BadBundle::NoCertificate) if key.is_some() => return Some(Damage::OtherKey),
        Err(_) => return Some(Damage::Garbage),
    };
    if key.is_some() {
        match judge::pair_matches(text, text) {
            Ok(()) if key > leaf => return Some(Damage::KeyNotFirst),
            Ok(()) => {}
            Err(BadBundle::Mismatch { .. }) => return Some(Damage::Mismatch),
            Err(BadBundle::LeafNotFirst { .. }) => return Some(Damage::LeafNotFirst),
            Err(_) => return Some(Damage::Garbage),
        }
    }
    let host = match facts.names.first() {
        Some(DnsId::Host(host)) => Some(host.clone()),
        Some(DnsId::Wildcard(domain)) => Hostname::parse(&format!("any.{domain}")).ok(),
        None => Hostname::parse("any.invalid").ok(),
    }?;
    let sent = judge::chain_of_pem(text).ok()?;
    let faults = judge::judge(&sent, &host, known, now).faults;
    let refused = faults.iter().find(|fault| fault.code.level() == Level::Fail);
    Some(
        refused.map_or(Damage::Other(facts.names, facts.not_after), |fault| {
            Damage::Refused(fault.code)
        }),
    )
}

/// What is wrong with the built map: it must answer each name of its source with the bytes of that
/// name's file.
async fn of_map(server: &Server, postfix: &Postfix) -> Option<Damage> {
    let source = server.directory.join(SNI_SOURCE);
    let text = files::bytes(&source)?;
    let lines: Vec<(&str, &str)> =
        std::str::from_utf8(&text).ok()?.lines().filter_map(|line| line.split_once(' ')).collect();
    let keys: String = lines.iter().flat_map(|(name, _)| [*name, "\n"]).collect();
    let directory = postfix.config_directory.display().to_string();
    let table = format!("{}:{}", postfix.map_type, source.display());
    let argv = ["postmap", "-c", &directory, "-Fq", "-", &table].map(str::to_owned);
    let ran = command::run(&argv, keys.as_bytes(), DEADLINE).await.ok()?;
    let stdout = Zeroizing::new(ran.stdout);
    if ran.stderr.contains("BASE64") {
        return Some(Damage::WithoutF);
    }
    let names: BTreeSet<&str> = lines.iter().map(|(name, _)| *name).collect();
    let answers = answers(&stdout, &names);
    let missing = lines.iter().filter(|(name, _)| !answers.contains_key(name));
    let missing: Vec<String> = missing.map(|(name, _)| (*name).to_owned()).collect();
    if !missing.is_empty() {
        return Some(Damage::Lacks(missing));
    }
    let mut pems: BTreeMap<&str, Option<Zeroizing<String>>> = BTreeMap::new();
    let outdated = lines.iter().find(|(name, path)| {
        let pem = pems.entry(path).or_insert_with(|| pem(path));
        answers.get(name) != pem.as_ref()
    });
    outdated.map(|(name, _)| Damage::Outdated((*name).to_owned()))
}

/// What the map has to answer for a name with these files.
fn pem(paths: &str) -> Option<Zeroizing<String>> {
    let mut all = Zeroizing::new(String::new());
    for path in paths.split_whitespace() {
        let bytes = files::bytes(Path::new(path))?;
        all.push_str(&joined(std::str::from_utf8(&bytes).ok()?.lines()));
    }
    Some(all)
}

/// The answers of `postmap -Fq -`: a line `NAME TAB PEM` and the PEM's other lines.
fn answers<'a>(output: &'a str, names: &BTreeSet<&str>) -> BTreeMap<&'a str, Zeroizing<String>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in output.lines() {
        match line.split_once('\t').filter(|(name, _)| names.contains(name)) {
            Some((name, first)) => {
                current = Some(name);
                found.entry(name).or_default().push(first);
            }
            None => {
                let lines = current.and_then(|name| found.get_mut(name));
                lines.into_iter().for_each(|lines| lines.push(line));
            }
        }
    }
    found.into_iter().map(|(name, lines)| (name, joined(lines.into_iter()))).collect()
}

/// The lines that are not blank: how files are joined does not matter.
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for line in lines.map(str::trim_end).filter(|line| !line.is_empty()) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// 10,000 names are asked for in well under a second.
const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
        IsCa, KeyPair,
    };

    use super::of_file;
    use crate::model::Timestamp;
    use crate::trust::Roots;
    use crate::verify::judge::Known;

    type Ca = CertifiedIssuer<'static, KeyPair>;

    fn ca(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    /// Key and certificate for `mx.a.test`.
    fn pair(issuer: &Ca) -> (String, String) {
        let mut params = CertificateParams::new(vec!["mx.a.test".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        (key.serialize_pem(), params.signed_by(&key, issuer).unwrap().pem())
    }

    #[test]
    fn each_way_to_be_wrong_is_told_by_its_name() {
        let key = || KeyPair::generate().unwrap();
        let root = Ca::self_signed(ca("Root"), key()).unwrap();
        let middle = Ca::signed_by(ca("CA"), key(), &root).unwrap();
        let roots = Roots::from_pem("test", &root.pem()).unwrap();
        let ((key, leaf), (other, _)) = (pair(&middle), pair(&middle));
        let middle = middle.pem();
        let now = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
        let said = |parts: &[&str]| {
            let damage = of_file(parts.concat().as_bytes(), Known::only(&roots), now);
            damage.map_or_else(|| "nothing".to_owned(), |damage| damage.to_string())
        };
        for (parts, expected) in [
            (vec!["junk"], "what is there is no PEM that can be read"),
            (vec![""], "what is there is no PEM that can be read"),
            (vec![&*other, &leaf, &middle], "key and certificate there do not match"),
            (vec![&*leaf, &middle, &key], "the key there stands behind the certificate"),
            (vec![&*key, &middle, &leaf], "the server's own certificate there stands behind"),
            (vec![&*key, &leaf], "senders refuse what is there (missing-intermediate)"),
            (vec![&*leaf, &middle], "what is there is a certificate for mx.a.test that ends at"),
            (vec![&*key], "another key is there than belongs to the certificate"),
        ] {
            let said = said(&parts);
            assert!(said.starts_with(expected), "{said:?} instead of {expected:?}");
        }
    }
}
