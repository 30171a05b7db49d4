//! [`Proof`]: what each endpoint showed, and its form in the diary.
//!
//! A proof looks at one certificate at many endpoints, so what they have in common is written
//! once: certificates and sessions in tables, and of a look only what the one before it did not
//! say. 10,000 certificates on three ports are a third of the bytes.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{
    CertificateSeen, Hostname, Inspection, Problem, Service, Stages, Timestamp, Tls, Verdict,
    Version,
};

/// When and how one certificate was last seen on one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Proof {
    /// Which version the server was to show.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// The files changed since: it says what worked once, not what is so now.
    pub void: bool,
    /// What each endpoint showed; shared with the reports.
    pub inspections: Vec<Arc<Inspection>>,
    /// What another version showed before, while not every look at this one has said something:
    /// whether a name is worse than it was can still be told then.
    pub before: Option<Box<Self>>,
}

impl Proof {
    /// What the version before `version` showed when it was last seen to work.
    #[must_use]
    pub fn of_another(self, version: Version) -> Option<Self> {
        let works = self.inspections.iter().any(|seen| seen.verdict == Verdict::Accepted);
        match self.before {
            before if self.version == version => before.map(|before| *before),
            Some(before) if !works && before.version != version => Some(*before),
            _ => Some(Self { before: None, ..self }),
        }
    }
}

/// A proof as the diary has it.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: Version,
    at: Timestamp,
    void: bool,
    certificates: Vec<Arc<CertificateSeen>>,
    sessions: Vec<Tls>,
    looks: Vec<Look>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<Self>>,
}

/// One look; what is absent is as in the look before.
#[derive(Serialize, Deserialize)]
struct Look {
    service: Service,
    port: u16,
    millis: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proved_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saw: Option<Saw>,
}

/// Where a look was taken.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    host: Hostname,
    domain: Option<Hostname>,
    origin: Option<String>,
    address: Option<IpAddr>,
    sni: Option<Hostname>,
    ours: Option<bool>,
}

/// What was seen there; session and certificate by their place in the tables.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Saw {
    verdict: Verdict,
    stages: Stages,
    problems: Vec<Problem>,
    tls: Option<usize>,
    certificate: Option<usize>,
}

impl From<Proof> for Stored {
    fn from(proof: Proof) -> Self {
        let Proof { version, at, void, inspections, before } = proof;
        let (mut certificates, mut sessions) = (Vec::new(), Vec::new());
        let mut looks = Vec::with_capacity(inspections.len());
        let mut last: Option<(Timestamp, Place, Saw)> = None;
        for seen in &inspections {
            let place = Place {
                host: seen.host.clone(),
                domain: seen.domain.clone(),
                origin: seen.origin.clone(),
                address: seen.address,
                sni: seen.sni.clone(),
                ours: seen.ours,
            };
            let saw = Saw {
                verdict: seen.verdict,
                stages: seen.stages,
                problems: seen.problems.clone(),
                tls: seen.tls.as_ref().map(|tls| index(&mut sessions, tls)),
                certificate: seen.certificate.as_ref().map(|seen| index(&mut certificates, seen)),
            };
            let before = last.as_ref();
            looks.push(Look {
                service: seen.service,
                port: seen.port,
                millis: seen.millis,
                proved_at: before
                    .is_none_or(|last| last.0 != seen.proved_at)
                    .then_some(seen.proved_at),
                at: before.is_none_or(|last| last.1 != place).then(|| place.clone()),
                saw: before.is_none_or(|last| last.2 != saw).then(|| saw.clone()),
            });
            last = Some((seen.proved_at, place, saw));
        }
        let before = before.map(|before| Box::new(Self::from(*before)));
        Self { version, at, void, certificates, sessions, looks, before }
    }
}

/// Where `one` stands in the table; it is added if it does not.
fn index<T: Clone + PartialEq>(table: &mut Vec<T>, one: &T) -> usize {
    table.iter().position(|known| known == one).unwrap_or_else(|| {
        table.push(one.clone());
        table.len() - 1
    })
}

impl TryFrom<Stored> for Proof {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { version, at, void, certificates, sessions, looks, before } = stored;
        let mut last: (Option<Timestamp>, Option<Place>, Option<Saw>) = (None, None, None);
        let mut inspections = Vec::with_capacity(looks.len());
        for look in looks {
            last = (look.proved_at.or(last.0), look.at.or(last.1), look.saw.or(last.2));
            let (Some(proved_at), Some(place), Some(saw)) = (last.0, &last.1, &last.2) else {
                return Err("a first look that does not say all");
            };
            let Place { host, domain, origin, address, sni, ours } = place.clone();
            inspections.push(Arc::new(Inspection {
                host,
                domain,
                origin,
                service: look.service,
                port: look.port,
                address,
                sni,
                ours,
                verdict: saw.verdict,
                stages: saw.stages,
                problems: saw.problems.clone(),
                tls: found(&sessions, saw.tls)?,
                certificate: found(&certificates, saw.certificate)?,
                proved_at,
                millis: look.millis,
                details: None,
            }));
        }
        let before = before.map(|before| Self::try_from(*before).map(Box::new)).transpose()?;
        Ok(Self { version, at, void, inspections, before })
    }
}

fn found<T: Clone>(table: &[T], index: Option<usize>) -> Result<Option<T>, &'static str> {
    let missing = "a look at what is in no table";
    index.map(|index| table.get(index).cloned().ok_or(missing)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Level, Sha256};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn look(host: &str, port: u16) -> Inspection {
        let host = Hostname::parse(host).unwrap();
        let leaf = CertificateSeen {
            names: vec![host.to_string()],
            issuer: "CN=x".to_owned(),
            serial: "01".to_owned(),
            not_before: at(0),
            not_after: at(9),
            sha256: Sha256::of(b"leaf"),
            spki_sha256: Sha256::of(b"key"),
            chain_length: 2,
        };
        Inspection {
            host: host.clone(),
            domain: host.parent(),
            origin: None,
            service: Service::Smtp,
            port,
            address: "192.0.2.7".parse().ok(),
            sni: Some(host),
            ours: Some(true),
            verdict: Verdict::Accepted,
            stages: Stages::default(),
            problems: Vec::new(),
            tls: Some(Tls { version: "TLSv1.3".to_owned(), cipher: "x".to_owned() }),
            certificate: Some(Arc::new(leaf)),
            proved_at: at(5),
            millis: 41,
            details: None,
        }
    }

    fn proof(looks: Vec<Inspection>) -> Proof {
        let inspections = looks.into_iter().map(Arc::new).collect();
        Proof { version: Version(3), at: at(5), void: false, inspections, before: None }
    }

    #[test]
    fn whatever_a_look_lacks_or_has_is_read_as_it_was_written() {
        let problem = Problem {
            code: Code::Timeout,
            level: Level::Unknown,
            expected: None,
            found: vec!["nothing".to_owned()],
            sender_says: None,
            why: None,
        };
        let first = || look("mx.a.test", 25);
        let looks = [
            first(),
            look("mx.a.test", 465),
            Inspection { certificate: None, tls: None, sni: None, ..first() },
            Inspection { domain: None, ours: None, address: None, ..first() },
            Inspection { verdict: Verdict::Unknown, problems: vec![problem], ..first() },
            Inspection { proved_at: at(6), origin: Some("MX 10".to_owned()), ..first() },
            look("mx.b.test", 25),
            first(),
        ];
        for cut in 0..=looks.len() {
            let mut proof = proof(looks[cut..].to_vec());
            if cut % 2 == 1 {
                proof.before = Some(Box::new(self::proof(looks[..cut].to_vec())));
            }
            let text = serde_json::to_string(&proof).unwrap();
            assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof, "{text}");
        }
    }

    #[test]
    fn what_endpoints_have_in_common_is_written_and_held_once() {
        let ports = [25, 465, 587].map(|port| look("mx.a.test", port));
        let text = serde_json::to_string(&proof(ports.into())).unwrap();
        for once in ["\"names\"", "mx.a.test\",\"domain", "TLSv1.3", "\"stages\"", "\"proved_at\""]
        {
            assert_eq!(text.matches(once).count(), 1, "{once} in {text}");
        }
        let read: Proof = serde_json::from_str(&text).unwrap();
        let shown = |index: usize| read.inspections[index].certificate.as_ref().unwrap();
        assert!(Arc::ptr_eq(shown(0), shown(2)));
    }

    #[test]
    fn a_look_that_cannot_be_put_together_is_damage() {
        let text = serde_json::to_string(&proof(vec![look("mx.a.test", 25)])).unwrap();
        for (old, new, said) in [
            ("\"certificate\":0", "\"certificate\":7", "in no table"),
            ("\"proved_at\"", "\"proved\"", "does not say all"),
        ] {
            let error = serde_json::from_str::<Proof>(&text.replace(old, new)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
