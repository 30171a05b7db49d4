//! May the CA issue for a name? The CAA records decide (RFC 8659, RFC 8657), and the CA asks them
//! again: a name they forbid is hopeless, a lookup that fails here is only worth a warning.

use crate::dns::{Answer, Dns, Failure, Kind, Record, Reply};
use crate::issue::CaIdentity;
use crate::model::{Challenge, Code, DnsId, Finding, NotOurs};

/// What the CAA records say of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caa {
    /// The CA may issue.
    Permits,
    /// It may not: which record at which name, and the line to add; or the answer is bogus, which a
    /// CA may not pass over (CA/Browser Forum, since 2026-03-15).
    Forbids(Finding),
    /// A lookup failed; the CA may see more.
    Unknown(Finding),
}

/// Climbs from `name` towards the root and judges the first set of CAA records that is there
/// (RFC 8659 section 3). Aliases are followed by the resolver; where the alias' target has no
/// records, the climb goes on from the name itself.
///
/// `method` is the challenge that the name takes: the records may ask for others (RFC 8657).
///
/// A CA that names no identity cannot be checked: everything is permitted then.
pub async fn check(dns: &dyn Dns, name: &DnsId, ca: &CaIdentity, method: Challenge) -> Caa {
    if ca.caa.is_empty() {
        return Caa::Permits;
    }
    let (DnsId::Host(start) | DnsId::Wildcard(start)) = name;
    let mut at = start.as_str();
    loop {
        let answer: Answer = dns.ask(at, Kind::Caa).await;
        match answer.reply {
            Reply::Records(records) if has_caa(&records) => {
                return judge(name, at, &records, (ca, method));
            }
            Reply::Failed(Failure::Bogus) => {
                let message = format!(
                    "{name}: the CAA records of {at} fail the validation of DNSSEC, and so does \
                     every order for {name} (dig +cd CAA {at} shows the records, delv CAA {at} \
                     the fault)"
                );
                return Caa::Forbids(Finding::new(Code::DnsBogus, name, message));
            }
            Reply::Failed(failure) => {
                let message = format!(
                    "{name}: the CAA records of {at} could not be read ({failure}); the CA \
                     refuses too if it cannot read them (dig CAA {at})"
                );
                return Caa::Unknown(Finding::new(Code::CaaUnknown, name, message));
            }
            Reply::Records(_) | Reply::Absent(_) => {}
        }
        match at.split_once('.') {
            Some((_, parent)) => at = parent,
            None => return Caa::Permits,
        }
    }
}

fn has_caa(records: &[Record]) -> bool {
    records.iter().any(|record| matches!(record, Record::Caa { .. }))
}

/// Who asks, and by which challenge.
type Asker<'a> = (&'a CaIdentity, Challenge);

/// Judges one non-empty set found at `at`.
fn judge(name: &DnsId, at: &str, records: &[Record], asker: Asker<'_>) -> Caa {
    let forbids = |message: String| Caa::Forbids(Finding::new(Code::CaaForbids, name, message));
    let mut issue = Vec::new();
    let mut issuewild = Vec::new();
    for record in records {
        let Record::Caa { critical, tag, value } = record else { continue };
        match tag.to_ascii_lowercase().as_str() {
            "issue" => issue.push(value.as_str()),
            "issuewild" => issuewild.push(value.as_str()),
            // They restrict other things than certificates for TLS (RFC 8659, RFC 9495).
            "iodef" | "issuemail" => {}
            unknown if *critical => {
                let record = format!("128 {unknown} \"{value}\"");
                let name = &name.to_string();
                return forbids(NotOurs::CaaUnknown { name, at, record: &record }.to_string());
            }
            _ => {}
        }
    }
    let wild = matches!(name, DnsId::Wildcard(_)) && !issuewild.is_empty();
    let (tag, relevant) = if wild { ("issuewild", issuewild) } else { ("issue", issue) };
    if relevant.is_empty() || relevant.iter().any(|value| Issuer::parse(value).permits(asker)) {
        return Caa::Permits;
    }
    forbids(explain(name, at, tag, &relevant, asker))
}

/// The sentence: what is there, what is wanted, the line to add.
fn explain(name: &DnsId, at: &str, tag: &str, values: &[&str], asker: Asker<'_>) -> String {
    let (ca, method) = asker;
    let wanted = &ca.caa[0];
    let shown: Vec<_> =
        values.iter().take(5).map(|value| format!("`0 {tag} \"{}\"`", visible(value))).collect();
    let there = shown.join(", ");
    let ours = values.iter().map(|value| Issuer::parse(value)).find(|issuer| issuer.is(ca));
    let (why, line) = match ours {
        Some(issuer) if !issuer.account_fits(ca) => {
            let account = ca.account.as_deref().unwrap_or_default();
            (
                format!("names {wanted} with another account than ours ({account})"),
                format!("{wanted}; accounturi={account}"),
            )
        }
        Some(_) => (
            format!("names {wanted} without the method {method}"),
            format!("{wanted}; validationmethods={method}"),
        ),
        None => (format!("does not name {wanted}"), wanted.clone()),
    };
    let (why, record) = (format!("({there}) {why}"), format!("{at}. CAA 0 {tag} \"{line}\""));
    NotOurs::CaaForbids { name: &name.to_string(), at, why: &why, record: &record }.to_string()
}

/// Records come from strangers: nothing but printable ASCII, and not without end, reaches a
/// message.
fn visible(value: &str) -> String {
    value
        .chars()
        .take(120)
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .collect()
}

/// The value of an `issue` or `issuewild` property (RFC 8659 section 4.2).
struct Issuer<'a> {
    /// Empty: nobody.
    domain: &'a str,
    /// Parameters; `None` where they do not parse, which matches nobody.
    parameters: Option<Vec<(&'a str, &'a str)>>,
}

impl<'a> Issuer<'a> {
    fn parse(value: &'a str) -> Self {
        let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
        let domain = parts.next().unwrap_or_default();
        let parameters = parts
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (tag, value) = part.split_once('=')?;
                Some((tag.trim_end(), value.trim_start()))
            })
            .collect();
        Self { domain, parameters }
    }

    fn permits(&self, (ca, method): Asker<'_>) -> bool {
        self.is(ca) && self.account_fits(ca) && self.method_fits(method)
    }

    fn is(&self, ca: &CaIdentity) -> bool {
        !self.domain.is_empty()
            && self.parameters.is_some()
            && ca.caa.iter().any(|own| own.eq_ignore_ascii_case(self.domain))
    }

    /// RFC 8657 section 3; two of them satisfy nobody.
    fn account_fits(&self, ca: &CaIdentity) -> bool {
        match self.values("accounturi").as_slice() {
            [] => true,
            [uri] => ca.account.as_deref().is_none_or(|account| account == *uri),
            _ => false,
        }
    }

    /// RFC 8657 section 4; two of them satisfy nobody.
    fn method_fits(&self, method: Challenge) -> bool {
        let method = method.to_string();
        match self.values("validationmethods").as_slice() {
            [] => true,
            [methods] => methods.split(',').any(|one| one.trim() == method),
            _ => false,
        }
    }

    fn values(&self, tag: &str) -> Vec<&'a str> {
        let parameters = self.parameters.iter().flatten();
        parameters
            .filter(|(own, _)| own.eq_ignore_ascii_case(tag))
            .map(|(_, value)| *value)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use async_trait::async_trait;

    use super::{Caa, check};
    use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};
    use crate::issue::CaIdentity;
    use crate::model::{Challenge, DnsId};

    /// Names with their CAA records as `flags tag value`; `SERVFAIL` and `BOGUS` fail; all others are absent.
    struct Sets(BTreeMap<&'static str, Vec<&'static str>>);

    #[async_trait]
    impl Dns for Sets {
        async fn ask(&self, name: &str, kind: Kind) -> Answer {
            assert_eq!(kind, Kind::Caa);
            let reply = match self.0.get(name) {
                None => Reply::Absent(Absence::NoData),
                Some(lines) if lines == &["SERVFAIL"] => Reply::Failed(Failure::ServFail),
                Some(lines) if lines == &["BOGUS"] => Reply::Failed(Failure::Bogus),
                Some(lines) => Reply::Records(lines.iter().map(|line| record(line)).collect()),
            };
            let ttl = Duration::from_secs(60);
            Answer { reply, aliases: Vec::new(), authenticated: false, ttl }
        }
    }

    fn record(line: &str) -> Record {
        let mut words = line.splitn(3, ' ');
        let critical = words.next() == Some("128");
        let tag = words.next().unwrap().to_owned();
        Record::Caa { critical, tag, value: words.next().unwrap_or_default().to_owned() }
    }

    async fn said(name: &str, sets: &[(&'static str, &[&'static str])]) -> String {
        said_by(Challenge::Http01, name, sets).await
    }

    async fn said_by(
        method: Challenge,
        name: &str,
        sets: &[(&'static str, &[&'static str])],
    ) -> String {
        let zone = Sets(sets.iter().map(|(at, lines)| (*at, lines.to_vec())).collect());
        let ca = CaIdentity {
            caa: vec!["letsencrypt.org".to_owned()],
            account: Some("https://ca/acct/1".to_owned()),
            ..CaIdentity::default()
        };
        match check(&zone, &DnsId::parse(name).unwrap(), &ca, method).await {
            Caa::Permits => "permits".to_owned(),
            Caa::Forbids(finding) => format!("forbids: {}", finding.message),
            Caa::Unknown(finding) => format!("unknown: {}", finding.message),
        }
    }

    #[tokio::test]
    async fn the_first_set_on_the_way_up_decides() {
        for (name, sets, expected) in [
            ("mx.a.example", &[][..], "permits"),
            (
                "mx.a.example",
                &[
                    ("mx.a.example", &["0 issue letsencrypt.org"][..]),
                    ("a.example", &["0 issue ;"]),
                ],
                "permits",
            ),
            (
                "mx.a.example",
                &[("a.example", &["0 issue ;"])],
                "forbids: mx.a.example: the CAA set at a.example (`0 issue \";\"`) does not name letsencrypt.org: whoever keeps that zone has to publish `a.example. CAA 0 issue \"letsencrypt.org\"`",
            ),
            (
                "mx.a.example",
                &[("example", &["0 issue other.example"])],
                "forbids: mx.a.example: the CAA set at example (`0 issue \"other.example\"`) does not name letsencrypt.org: whoever keeps that zone has to publish `example. CAA 0 issue \"letsencrypt.org\"`",
            ),
            (
                "mx.a.example",
                &[("a.example", &["SERVFAIL"]), ("example", &["0 issue ;"])],
                "unknown: mx.a.example: the CAA records of a.example could not be read (SERVFAIL); the CA refuses too if it cannot read them (dig CAA a.example)",
            ),
        ] {
            assert_eq!(said(name, sets).await, expected, "{name} {sets:?}");
        }
    }

    #[tokio::test]
    async fn a_bogus_zone_is_left_out_before_the_order() {
        let said = said("mx.a.example", &[("a.example", &["BOGUS"])]).await;
        assert_eq!(
            said,
            "forbids: mx.a.example: the CAA records of a.example fail the validation of DNSSEC, and so does every order for mx.a.example (dig +cd CAA a.example shows the records, delv CAA a.example the fault)"
        );
    }

    #[tokio::test]
    async fn each_property_means_what_the_rfcs_say() {
        let permits: &[&[&str]] = &[
            &["0 issue other.example", "0 ISSUE LetsEncrypt.org"],
            &["0 issuemail ;", "0 iodef mailto:a@b"],
            &["0 issuewild ;"],
            &["0 surprise x"],
            &["0 issue letsencrypt.org; accounturi=https://ca/acct/1"],
            &["0 issue letsencrypt.org ; validationmethods=dns-01,http-01 ; other=1;"],
        ];
        for lines in permits {
            assert_eq!(
                said("mx.a.example", &[("a.example", *lines)]).await,
                "permits",
                "{lines:?}"
            );
        }
        let set = "forbids: mx.a.example: the CAA set at a.example";
        for (lines, expected) in [
            (&["128 surprise x\u{1b}"][..], "forbids: mx.a.example: the CAA record `128 surprise \"x?\"` at a.example is critical and no CA knows its tag (RFC 8659 section 4.5): whoever keeps that zone has to remove it".to_owned()),
            (&["0 issue"], format!("{set} (`0 issue \"\"`) does not name letsencrypt.org: whoever keeps that zone has to publish `a.example. CAA 0 issue \"letsencrypt.org\"`")),
            (&["0 issue letsencrypt.org; nonsense"], format!("{set} (`0 issue \"letsencrypt.org; nonsense\"`) does not name letsencrypt.org: whoever keeps that zone has to publish `a.example. CAA 0 issue \"letsencrypt.org\"`")),
            (&["0 issue letsencrypt.org; accounturi=https://ca/acct/2"], format!("{set} (`0 issue \"letsencrypt.org; accounturi=https://ca/acct/2\"`) names letsencrypt.org with another account than ours (https://ca/acct/1): whoever keeps that zone has to publish `a.example. CAA 0 issue \"letsencrypt.org; accounturi=https://ca/acct/1\"`")),
            (&["0 issue letsencrypt.org; validationmethods=dns-01"], format!("{set} (`0 issue \"letsencrypt.org; validationmethods=dns-01\"`) names letsencrypt.org without the method http-01: whoever keeps that zone has to publish `a.example. CAA 0 issue \"letsencrypt.org; validationmethods=http-01\"`")),
        ] {
            assert_eq!(said("mx.a.example", &[("a.example", lines)]).await, expected);
        }
    }

    #[tokio::test]
    async fn the_method_is_the_one_that_the_name_takes() {
        let none = "forbids: mx.a.example: the CAA set at a.example";
        let without = |methods: &str, method: &str| {
            format!(
                "{none} (`0 issue \"letsencrypt.org; {methods}\"`) names letsencrypt.org without the method {method}: whoever keeps that zone has to publish `a.example. CAA 0 issue \"letsencrypt.org; validationmethods={method}\"`"
            )
        };
        let only = "0 issue letsencrypt.org; validationmethods=";
        let (dns, http, both) = ("dns-01", "http-01", "http-01 , dns-01");
        for (method, methods, permitted) in [
            (Challenge::Dns01, dns, true),
            (Challenge::Dns01, http, false),
            (Challenge::Dns01, both, true),
            (Challenge::Http01, dns, false),
            (Challenge::Http01, both, true),
            (Challenge::TlsAlpn01, both, false),
        ] {
            let line: &'static str = format!("{only}{methods}").leak();
            let said = said_by(method, "mx.a.example", &[("a.example", &[line])]).await;
            let expected = match permitted {
                true => "permits".to_owned(),
                false => without(&format!("validationmethods={methods}"), &method.to_string()),
            };
            assert_eq!(said, expected, "{method} {methods}");
        }
        // One record for each method is as good as one for both.
        let each = [
            "0 issue letsencrypt.org; validationmethods=http-01",
            "0 issue letsencrypt.org; validationmethods=dns-01",
        ];
        let said = said_by(Challenge::Dns01, "mx.a.example", &[("a.example", &each)]).await;
        assert_eq!(said, "permits");
    }

    #[tokio::test]
    async fn a_wildcard_asks_issuewild_first() {
        for (lines, expected) in [
            (&["0 issue ;", "0 issuewild letsencrypt.org"][..], "permits"),
            (&["0 issue letsencrypt.org"], "permits"),
            (
                &["0 issue letsencrypt.org", "0 issuewild ;"],
                "forbids: *.a.example: the CAA set at a.example (`0 issuewild \";\"`) does not name letsencrypt.org: whoever keeps that zone has to publish `a.example. CAA 0 issuewild \"letsencrypt.org\"`",
            ),
        ] {
            assert_eq!(said("*.a.example", &[("a.example", lines)]).await, expected);
        }
    }

    #[tokio::test]
    async fn a_ca_without_an_identity_is_not_checked() {
        let zone = Sets([("a.example", vec!["0 issue ;"])].into());
        let name = DnsId::parse("a.example").unwrap();
        let said = check(&zone, &name, &CaIdentity::default(), Challenge::Http01).await;
        assert_eq!(said, Caa::Permits);
    }
}
