//! `[challenge]`: how the CA is shown that a name is ours, and which name takes which way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;

use super::fault::Trouble;
use super::raw::{self, Table};
use super::{Dns01, Http01, value, wildcard};
use crate::model::{Because, Challenge, Hostname, Ways};

pub(super) mod dns01;
pub(super) mod http01;

/// What `[challenge]` says.
#[derive(Default)]
pub(super) struct Challenges {
    pub(super) http01: Option<Http01>,
    pub(super) tls_alpn01: Option<Vec<SocketAddr>>,
    pub(super) dns01: Option<Dns01>,
    pub(super) ways: Ways,
}

/// `[challenge]`; `wildcards` of the domains take dns-01, which has to be there for them.
pub(super) fn challenges(root: &Table<'_>, wildcards: &[raw::Value<'_>]) -> Challenges {
    let Some(challenge) = root.table("challenge", raw::CHALLENGE) else {
        wildcard::unanswered(wildcards);
        return Challenges::default();
    };
    if challenge.value("dns-01").is_none() {
        wildcard::unanswered(wildcards);
    }
    let http01 = challenge.value("http-01").is_some();
    let mut claims = Vec::new();
    let tls_alpn01 = challenge.table("challenge.tls-alpn-01", raw::TLS_ALPN_01).map(|table| {
        claims.push(Claim::of(&table, Challenge::TlsAlpn01));
        http01::sockets(&table, 443).unwrap_or_else(|| http01::everywhere(443))
    });
    let mut dns01 = None;
    if let Some(table) = challenge.table("challenge.dns-01", raw::DNS_01) {
        let claim = Claim::of(&table, Challenge::Dns01);
        dns01 = dns01::dns01(&table);
        // Beside another kind it may be there for wildcards alone.
        let others = http01 || tls_alpn01.is_some();
        let for_wildcards = claim.hosts.is_none() && others && !wildcards.is_empty();
        claims.extend((dns01.is_some() && !for_wildcards).then_some(claim));
    }
    Challenges {
        http01: challenge
            .table("challenge.http-01", raw::HTTP_01)
            .map(|table| http01::http01(&table)),
        tls_alpn01,
        dns01,
        ways: ways(root, http01, claims),
    }
}

/// The names that a table beside http-01 answers for.
struct Claim<'a> {
    challenge: Challenge,
    /// Those of `hosts`; `None` means all that no other table has.
    hosts: Option<Vec<(Hostname, raw::Value<'a>)>>,
    span: Range<usize>,
}

impl<'a> Claim<'a> {
    fn of(table: &Table<'a>, challenge: Challenge) -> Self {
        let hosts = table.texts("hosts", value::host);
        Self { challenge, hosts, span: table.span.clone() }
    }
}

/// Which name takes which challenge: those of `hosts` that one, all others http-01, or the one kind
/// that lists no hosts where http-01 is not configured.
fn ways(root: &Table<'_>, http01: bool, claims: Vec<Claim<'_>>) -> Ways {
    let mut rest = http01.then_some(Challenge::Http01);
    let mut listed: BTreeMap<Hostname, Challenge> = BTreeMap::new();
    for Claim { challenge, hosts, span } in claims {
        let Some(hosts) = hosts else {
            if rest.is_none() {
                rest = Some(challenge);
                continue;
            }
            let message =
                format!("`[challenge.{challenge}]` beside another challenge answers for no name");
            let expected = format!("expected `hosts` below `[challenge.{challenge}]`");
            let help = "add the hosts that take it: hosts = [\"mx.example.org\"]";
            root.log.missing(Some(span), Trouble::new(message, expected).help(help));
            continue;
        };
        for (host, value) in hosts {
            match listed.get(&host) {
                Some(other) if *other != challenge => value.wrong(Trouble::new(
                    format!("`{host}` stands in hosts of [challenge.{other}] as well"),
                    "expected one challenge for a name",
                )),
                _ => _ = listed.insert(host, challenge),
            }
        }
    }
    let because = if listed.is_empty() { Because::Only } else { Because::Rest };
    Ways { listed, rest: (rest.unwrap_or_default(), because) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, decode, read};
    use crate::model::DnsId;

    fn parsed(challenges: &str) -> Result<Config, String> {
        let text = format!(
            "[acme]\nagree-to-terms = true\n{challenges}\n[[domain]]\nname = \"example.org\"\n"
        );
        let path = Path::new("/etc/mailcert/mailcert.toml");
        let text = decode(path, text.as_bytes()).map_err(|faults| faults.to_string())?;
        let read = read(path, text, &|_| Ok(String::new()));
        read.map(|(config, _)| config).map_err(|faults| faults.to_string())
    }

    #[test]
    fn every_name_takes_one_challenge_for_a_reason() {
        let http = "[challenge.http-01]\n";
        let dns = "[challenge.dns-01]\nHOSTS[challenge.dns-01.rfc2136]\n";
        let all = dns.replace("HOSTS", "");
        let listed = dns.replace("HOSTS", "hosts = [\"mx.example.org\"]\n");
        let beside = format!("{http}{listed}");
        let tls = "[challenge.tls-alpn-01]\n";
        let both = format!("{tls}{listed}");
        for (challenges, host, expected) in [
            ("", "mx.example.org", "http-01, since no [challenge] is configured"),
            (http, "mx.example.org", "http-01, since no other [challenge] is configured"),
            (&all, "mx.example.org", "dns-01, since no other [challenge] is configured"),
            (&listed, "mx.example.org", "dns-01, since hosts of [challenge.dns-01] name it"),
            (&listed, "imap.example.org", "http-01, since no other [challenge] names it"),
            (&beside, "mx.example.org", "dns-01, since hosts of [challenge.dns-01] name it"),
            (&beside, "imap.example.org", "http-01, since no other [challenge] names it"),
            (tls, "mx.example.org", "tls-alpn-01, since no other [challenge] is configured"),
            (&both, "mx.example.org", "dns-01, since hosts of [challenge.dns-01] name it"),
            (&both, "imap.example.org", "tls-alpn-01, since no other [challenge] names it"),
        ] {
            let config = parsed(challenges).unwrap();
            let way = config.ways.of(&DnsId::parse(host).unwrap());
            let said = format!("{}, since {}", way.challenge, way.why());
            assert_eq!(said, expected, "{challenges}");
        }
        for nobody in [format!("{http}{all}"), format!("{http}{tls}"), format!("{tls}{all}")] {
            assert!(parsed(&nobody).unwrap_err().contains("answers for no name"), "{nobody}");
        }
    }
}
