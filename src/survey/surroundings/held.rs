//! What is found among the certificates that are held.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Code, DnsId, Finding, Hostname, Level};
use crate::servers::lint;
use crate::store::{Diary, Kept, Store};
use crate::survey::surroundings::{Judge, unknown_root};
use crate::verify::judge;

/// What is found among the certificates that are held, each of which is shown or will be.
///
/// A damaged one is told elsewhere.
pub fn of_held(kept: &[Kept], store: &dyn Store, judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A thousand certificates of one CA have one chain.
    let mut judged: BTreeMap<(&str, Vec<Vec<u8>>), Option<String>> = BTreeMap::new();
    for kept in kept {
        let Some((version, facts)) = kept.versions.last() else { continue };
        let Ok(bundle) = store.bundle(&kept.name, *version) else { continue };
        let Ok(chain) = judge::chain_of_pem(&bundle.chain) else { continue };
        if chain.first().is_some_and(|leaf| judge::hints(leaf).must_staple) {
            let message = format!(
                "{} (version {version}) demands a stapled OCSP response (must-staple), which no \
                 mail server here sends and Let's Encrypt no longer answers; expected one \
                 without; `mailcert explain ocsp-leftover` says how it is replaced",
                kept.name
            );
            findings.push(Finding::new(Code::OcspLeftover, &kept.name, message));
        }
        let issuers = (facts.issuer.as_str(), chain.get(1..).unwrap_or_default().to_vec());
        let root = judged.entry(issuers).or_insert_with(|| unknown_root(&chain, judge)).as_ref();
        if let Some(root) = root {
            let message = format!(
                "the chain of {} (version {version}) ends at {root}; expected one that ends at a \
                 root senders know; set another directory in [acme], or put the full chain in \
                 place",
                kept.name
            );
            let finding = Finding::new(Code::UntrustedRoot, &kept.name, message);
            findings.push(finding.at(Level::Warn));
        }
    }
    findings
}

/// Held certificates that nobody asks for, by the configuration and what the diary remembers of
/// the DNS: nobody is asked.
#[must_use]
pub fn unasked(
    kept: &[Kept],
    diary: &Diary,
    domains: &[Hostname],
    names: &[DnsId],
) -> Vec<Finding> {
    let (asked, open): (Vec<&Hostname>, Vec<&Hostname>) =
        domains.iter().partition(|domain| diary.discovered.contains_key(*domain));
    let remembered = asked.iter().filter_map(|domain| diary.discovered.get(*domain));
    let mut wished: BTreeSet<DnsId> = remembered
        .flat_map(|known| &known.hosts)
        .filter(|host| host.included || host.undecided)
        .map(|host| DnsId::Host(host.host.clone()))
        .collect();
    wished.extend(names.iter().cloned());
    let newest = |kept: &Kept| -> Option<(_, Vec<DnsId>)> {
        Some((kept.name.clone(), kept.versions.last()?.1.names.clone()))
    };
    let held: Vec<_> = kept.iter().filter_map(newest).collect();
    let open: Vec<Hostname> = open.into_iter().cloned().collect();
    lint::unasked(&held, &wished, &open)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, KeyPair};

    use super::{of_held, unasked};
    use crate::model::{
        Bundle, CertName, DnsId, Host, Hostname, Points, PrivateKey, Sha256, Timestamp,
    };
    use crate::store::{Entry, Memory, Store};
    use crate::survey::Judge;
    use crate::trust::Roots;
    use crate::verify::{self, judge::Known};

    type Ca = rcgen::CertifiedIssuer<'static, KeyPair>;

    fn ca(name: &str) -> Ca {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// Keeps a certificate of this CA, with the CA's own behind it.
    fn keep(store: &Memory, name: &str, ca: &Ca, staple: bool) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if staple {
            let (oid, value) = ([1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, value));
        }
        let chain = params.signed_by(&key, ca).unwrap().pem() + &ca.pem();
        let bundle = Bundle { key: PrivateKey::from_pem(key.serialize_pem()), chain };
        let facts = verify::facts(&bundle).unwrap();
        store.keep(&CertName::parse(name).unwrap(), &bundle, &facts).unwrap();
    }

    #[test]
    fn what_is_held_must_end_at_a_known_root_and_demand_no_staple() {
        let (public, private) = (ca("Public Root"), ca("Root YE"));
        let store = Memory::new();
        keep(&store, "good.test", &public, false);
        keep(&store, "private.test", &private, false);
        keep(&store, "staple.test", &public, true);
        let roots = Roots::from_pem("the test's roots", &public.pem()).unwrap();
        let judge = Judge { known: Known::only(&roots), now: Timestamp::from_unix(1_700_000_000) };
        let found = of_held(&store.certificates().unwrap(), &store, &judge);
        let shown: Vec<String> =
            found.iter().map(|f| format!("{} {} {}", f.level.mark(), f.code, f.message)).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        let root = "warn untrusted-root the chain of private.test (version 1) ends at CN=Root YE (";
        assert!(shown[0].starts_with(root), "{shown:?}");
        let staple = "warn ocsp-leftover staple.test (version 1) demands a stapled";
        assert!(shown[1].starts_with(staple), "{shown:?}");
    }

    #[test]
    fn what_the_dns_was_not_asked_about_is_not_called_unasked() {
        let host = |text: &str| Hostname::parse(text).unwrap();
        let (ca, store) = (ca("Root"), Memory::new());
        for name in ["mx.a.test", "old.a.test", "out.a.test", "mx.b.test", "listed.c.test"] {
            keep(&store, name, &ca, false);
        }
        let found = |name: &str, included, undecided| Host {
            host: host(name),
            domain: host("a.test"),
            reasons: Vec::new(),
            addresses: Vec::new(),
            points: Points::None,
            included,
            undecided,
            why_not: None,
        };
        let hosts = vec![found("mx.a.test", true, false), found("out.a.test", false, false)];
        let (domain, at, asked_with) =
            (host("a.test"), Timestamp::from_unix(0), Sha256::of(b"rules"));
        let findings = Vec::new();
        store.note(&Entry::Discovered { domain, at, asked_with, hosts, findings }).unwrap();
        let (kept, diary) = (store.certificates().unwrap(), store.diary().unwrap());
        let found = unasked(
            &kept,
            &diary,
            &[host("a.test"), host("b.test")],
            &[DnsId::Host(host("listed.c.test"))],
        );
        let subjects: Vec<&str> = found.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(subjects, ["old.a.test", "out.a.test"]);
    }
}
