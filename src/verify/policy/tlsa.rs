//! DANE of the MX hosts of one domain: their TLSA records are asked for, and compared with what
//! the hosts show (RFC 7672 sections 2 and 3).

use futures_util::{StreamExt as _, stream};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::{Addresses, Exchanges, Found, MxHost, few};
use crate::config::Profile;
use crate::dns::{Dns, Failure, Kind, Reply};
use crate::model::{
    CertificateSeen, Code, Dane, Endpoint, Finding, Hostname, Inspection, Service, Stage, TlsaSeen,
};
use crate::verify::dane::{Outcome, Tlsa, hex};
use crate::verify::{Ask, Fault, How, Sni, profiles, shown, visible};

/// Hosts asked for at a time: their further looks may go to one address.
const AT_ONCE: usize = 4;
/// Records of one host that are read.
const MOST_RECORDS: usize = 32;

/// One host that has TLSA records, or whose records cannot be read.
pub(super) struct Asked {
    host: Dane,
    finding: Option<Finding>,
    faults: Vec<(usize, Fault)>,
}

/// The MX hosts with something to be said of.
pub(super) async fn ask(
    domain: &Hostname,
    exchanges: &Exchanges,
    mx: &[MxHost<'_>],
    dns: &dyn Dns,
    how: &How,
) -> Vec<Asked> {
    let asked = stream::iter(0..mx.len()).map(|at| of_host(domain, exchanges, &mx[at], dns, how));
    asked.buffered(AT_ONCE).filter_map(std::future::ready).collect().await
}

impl Asked {
    /// Says what was found, and what is wrong where.
    pub(super) fn tell(self, profile: Profile, found: &mut Found) -> Dane {
        found.findings.extend(self.finding);
        for (at, fault) in self.faults {
            let stage = fault.stage;
            let problem = profiles::weigh(fault, Service::Smtp, profile);
            found.problems.push((at, Some(stage), problem));
        }
        self.host
    }
}

async fn of_host(
    domain: &Hostname,
    exchanges: &Exchanges,
    mx: &MxHost<'_>,
    dns: &dyn Dns,
    how: &How,
) -> Option<Asked> {
    let host = mx.host;
    let addresses = Addresses::ask(host, dns).await;
    let signed = exchanges.authenticated && addresses.authenticated;
    let dane = Dane {
        host: host.clone(),
        port: 25,
        authenticated: Some(true),
        holds: None,
        records: Vec::new(),
        problem: None,
    };
    let records = match records(host, &addresses, dns).await {
        Ok(records) => records?,
        // Where the addresses are not signed, no sender asks (RFC 7672 section 2.2.1).
        Err(_) if !signed => return None,
        Err((name, failure)) => return Some(unread(dane, mx, &name, &failure)),
    };
    let usable: Vec<&Tlsa> = records.all.iter().filter(|tlsa| tlsa.unusable().is_none()).collect();
    let compared = compare(&usable, domain, &records.base, mx, how).await;
    let mut asked = Asked {
        host: Dane {
            authenticated: Some(signed && records.authenticated),
            holds: (!compared.is_empty()).then(|| compared.iter().all(Compared::matches)),
            records: records.all.iter().map(|tlsa| seen(tlsa, &usable, &compared)).collect(),
            ..dane
        },
        finding: None,
        faults: Vec::new(),
    };
    let unsigned: Vec<String> = [
        (exchanges.authenticated, format!("the MX records of {domain}")),
        (addresses.authenticated, format!("the addresses of {host}")),
        (records.authenticated, "the TLSA records".to_owned()),
    ]
    .into_iter()
    .filter_map(|(signed, what)| (!signed).then_some(what))
    .collect();
    let mismatches = compared.iter().filter(|one| !one.matches());
    if unsigned.len() == 3 && !validates(dns).await {
        asked.host.authenticated = None;
        asked.say(host, untold_message(mismatches.count() > 0));
    } else if !unsigned.is_empty() {
        asked.say(host, unsigned_message(&unsigned, mismatches.count() > 0));
    } else if usable.is_empty() {
        let why = records.all.iter().find_map(Tlsa::unusable);
        let why = why.map(|why| why.to_string()).unwrap_or_default();
        asked.say(host, format!("{why}: senders encrypt and do not look at the certificate"));
    } else {
        asked.faults = mismatches.map(|one| one.fault(&usable, how)).collect();
    }
    Some(asked)
}

impl Asked {
    fn say(&mut self, host: &Hostname, message: String) {
        self.host.problem = Some(message.clone());
        self.finding = Some(Finding::new(Code::DaneUnusable, host, message));
    }
}

fn unsigned_message(unsigned: &[String], mismatch: bool) -> String {
    let also = if mismatch { "; they name another certificate than is shown" } else { "" };
    // Postfix: smtp_tls_dane_insecure_mx_policy.
    let senders = match unsigned {
        [mx] if mx.starts_with("the MX") => "senders other than Postfix",
        _ => "senders",
    };
    let unsigned = unsigned.join(", ");
    format!("DNSSEC does not vouch for {unsigned}, so {senders} pass the TLSA records over{also}")
}

fn untold_message(mismatch: bool) -> String {
    let also = if mismatch { "; they name another certificate than is shown" } else { "" };
    format!(
        "whether senders use the TLSA records cannot be told: the resolver that was asked \
         validates no DNSSEC (--dns names another){also}"
    )
}

/// Whether the resolver validates: the root is signed.
async fn validates(dns: &dyn Dns) -> bool {
    dns.ask(".", Kind::Txt).await.authenticated
}

/// The records of a host.
struct Records {
    /// The name they are for: the host, or what it is an alias of.
    base: Hostname,
    all: Vec<Tlsa>,
    authenticated: bool,
}

/// The records at the name the host is a signed alias of, else at its own (RFC 7672 section
/// 2.2.3); an error is the name for which there was no answer.
async fn records(
    host: &Hostname,
    addresses: &Addresses,
    dns: &dyn Dns,
) -> Result<Option<Records>, (String, Failure)> {
    let alias = addresses.alias.as_ref().filter(|_| addresses.authenticated);
    let alias = alias.and_then(|alias| Hostname::parse(alias).ok());
    for base in alias.iter().chain([host]) {
        let name = format!("_25._tcp.{base}");
        let answer = dns.ask(&name, Kind::Tlsa).await;
        match answer.reply {
            Reply::Records(records) => {
                let all = records.iter().filter_map(Tlsa::of).take(MOST_RECORDS).collect();
                let authenticated = answer.authenticated;
                return Ok(Some(Records { base: base.clone(), all, authenticated }));
            }
            Reply::Absent(_) => {}
            Reply::Failed(failure) => return Err((name, failure)),
        }
    }
    Ok(None)
}

fn unread(host: Dane, mx: &MxHost<'_>, name: &str, failure: &Failure) -> Asked {
    let found = format!("TLSA {name}: {}", visible(&failure.to_string()));
    let fault = Fault {
        expected: Some("TLSA records, or a signed answer that there are none".to_owned()),
        found: vec![found.clone()],
        why: Some("its zone is signed, so senders with DANE wait for the answer".to_owned()),
        ..Fault::new(Code::DaneBroken, Stage::Chain)
    };
    let faults = mx.looks.iter().map(|(at, _)| (*at, fault.clone())).collect();
    Asked { host: Dane { problem: Some(found), ..host }, finding: None, faults }
}

/// What one endpoint shows, held against the usable records.
struct Compared<'a> {
    at: usize,
    certificate: &'a CertificateSeen,
    /// One for each usable record.
    outcomes: Vec<Outcome>,
}

/// Every endpoint that showed a certificate. Its hashes are known from the look; what needs the
/// whole chain is looked at once more.
async fn compare<'a>(
    usable: &[&Tlsa],
    domain: &Hostname,
    base: &Hostname,
    mx: &MxHost<'a>,
    how: &How,
) -> Vec<Compared<'a>> {
    let mut compared = Vec::new();
    if usable.is_empty() {
        return compared;
    }
    for (at, look) in &mx.looks {
        let Some(certificate) = look.certificate.as_deref() else { continue };
        let known: Option<Vec<Outcome>> =
            usable.iter().map(|tlsa| known(tlsa, certificate)).collect();
        let outcomes = match known {
            Some(outcomes) => outcomes,
            None => {
                let Some(shown) = shown(&again(look), how).await else { continue };
                let mut hosts = vec![base, mx.host, domain];
                hosts.dedup();
                let now = how.moment();
                usable.iter().map(|tlsa| tlsa.compare(&shown.chain, &hosts, now)).collect()
            }
        };
        compared.push(Compared { at: *at, certificate, outcomes });
    }
    compared
}

/// What the hashes of the server's own certificate decide.
fn known(tlsa: &Tlsa, certificate: &CertificateSeen) -> Option<Outcome> {
    let hash = match (tlsa.usage, tlsa.selector, tlsa.matching) {
        (3, 0, 1) => &certificate.sha256,
        (3, 1, 1) => &certificate.spki_sha256,
        _ => return None,
    };
    Some(if tlsa.data == hash.0 { Outcome::Matches } else { Outcome::Differs })
}

fn again(look: &Inspection) -> Ask {
    Ask {
        endpoint: Endpoint {
            host: look.host.clone(),
            service: look.service,
            port: look.port,
            address: look.address,
        },
        domain: look.domain.clone(),
        ours: look.ours,
        connect: None,
        origin: look.origin.clone(),
        optional: false,
        sni: Sni::Host,
        side: None,
        proxy_header: false,
    }
}

impl Compared<'_> {
    fn matches(&self) -> bool {
        self.outcomes.contains(&Outcome::Matches)
    }

    fn fault(&self, usable: &[&Tlsa], how: &How) -> (usize, Fault) {
        let broken = self.outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Broken(why) => Some(why.clone()),
            Outcome::Matches | Outcome::Differs => None,
        });
        let fault = Fault {
            expected: Some(few(usable)),
            found: vec![format!("3 1 1 {}", self.certificate.spki_sha256)],
            why: broken.or_else(|| pinned(usable, self.certificate, &how.extras.intermediates)),
            ..Fault::new(Code::DaneMismatch, Stage::Chain)
        };
        (self.at, fault)
    }
}

/// Which intermediate the records pin, where they pin one that did not issue what is shown.
fn pinned(
    usable: &[&Tlsa],
    certificate: &CertificateSeen,
    intermediates: &[Vec<u8>],
) -> Option<String> {
    let pins: Vec<_> = usable.iter().filter(|tlsa| tlsa.usage == 2).collect();
    for der in intermediates {
        if pins.iter().any(|tlsa| tlsa.names(der)) {
            let (_, x509) = X509Certificate::from_der(der).ok()?;
            let subject = visible(&x509.subject().to_string());
            return Some(format!("the record pins {subject}, which is not in the chain shown"));
        }
    }
    let retired = !pins.is_empty() && certificate.issuer.contains("Let's Encrypt");
    retired.then(|| {
        "the record pins a CA that is not in the chain shown; Let's Encrypt retired its \
         intermediates E5 to E9 and R10 to R14 in 2026"
            .to_owned()
    })
}

/// A record, and whether it is true of every endpoint that was compared.
fn seen(tlsa: &Tlsa, usable: &[&Tlsa], compared: &[Compared<'_>]) -> TlsaSeen {
    let at = usable.iter().position(|other| std::ptr::eq(*other, tlsa));
    let holds = |one: &Compared<'_>| at.is_some_and(|at| one.outcomes[at] == Outcome::Matches);
    TlsaSeen {
        usage: tlsa.usage,
        selector: tlsa.selector,
        matching: tlsa.matching,
        data: hex(&tlsa.data),
        matches: (!compared.is_empty()).then(|| compared.iter().all(holds)),
    }
}

#[cfg(test)]
mod tests {
    use super::pinned;
    use crate::model::{CertificateSeen, Sha256, Timestamp};
    use crate::verify::dane::Tlsa;

    fn issued_by(issuer: &str) -> CertificateSeen {
        CertificateSeen {
            names: Vec::new(),
            issuer: issuer.to_owned(),
            serial: "1".to_owned(),
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::from_unix(1),
            sha256: Sha256([0; 32]),
            spki_sha256: Sha256([0; 32]),
            chain_length: 3,
        }
    }

    #[test]
    fn a_pin_of_an_intermediate_that_is_gone_is_recognised() {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "E5");
        let old = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let any = Tlsa { usage: 2, selector: 1, matching: 1, data: vec![7; 32] };
        let pin = any.of_certificate(old.der()).unwrap();
        let today = issued_by("C=US, O=Let's Encrypt, CN=YE1");
        let known = [old.der().to_vec()];
        assert_eq!(
            pinned(&[&any, &pin], &today, &known).unwrap(),
            "the record pins CN=E5, which is not in the chain shown"
        );
        let retired = pinned(&[&pin], &today, &[]).unwrap();
        assert!(retired.contains("retired its intermediates E5 to E9"), "{retired}");
        assert_eq!(pinned(&[&pin], &issued_by("CN=Test Root"), &[]), None);
        assert_eq!(pinned(&[&Tlsa { usage: 3, ..pin }], &today, &known), None);
    }
}
