//! `[challenge.dns-01]`: who puts the TXT records into the DNS, and for which names.

mod exec;
mod rfc2136;

use std::time::Duration;

use crate::config::fault::Trouble;
use crate::config::raw::{self, Table};
use crate::config::value;
use crate::model::Hostname;

pub use exec::Exec;
pub use rfc2136::Rfc2136;

/// `[challenge.dns-01]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01 {
    /// Which names take it.
    pub names: Names,
    /// Who puts the records there.
    pub way: Way,
    /// How long the zone's servers may take to show a record.
    pub propagation: Duration,
}

/// Which names take dns-01.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All: no other challenge is configured.
    All,
    /// Those of `hosts`.
    Listed(Vec<Hostname>),
}

/// Who puts records into the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// We, by updates of the zone.
    Rfc2136(Rfc2136),
    /// A program of the admin's.
    Exec(Exec),
}

/// What is configured; `alone` says that no other challenge is.
pub(super) fn dns01(table: &Table<'_>, alone: bool) -> Option<Dns01> {
    let hosts = table.texts("hosts", value::host);
    let (way, propagation) = way(table)?;
    let names = match hosts {
        Some(hosts) => Names::Listed(hosts.into_iter().map(|(host, _)| host).collect()),
        None if alone => Names::All,
        None => {
            let message = "`[challenge.dns-01]` beside another challenge answers for no name";
            let trouble = Trouble::new(message, "expected `hosts` below `[challenge.dns-01]`")
                .help("add the hosts that take it: hosts = [\"mx.example.org\"]");
            table.log.missing(Some(table.span.clone()), trouble);
            Names::Listed(Vec::new())
        }
    };
    Some(Dns01 { names, way, propagation })
}

/// The one way there is; of two the later one is marked.
fn way(table: &Table<'_>) -> Option<(Way, Duration)> {
    let updates = table.table("challenge.dns-01.rfc2136", raw::RFC2136);
    let updates = updates.map(|one| (Way::Rfc2136(rfc2136::update(&one)), propagation(&one), one));
    let exec = table.table("challenge.dns-01.exec", raw::EXEC);
    let exec = exec.and_then(|one| {
        let propagation = propagation(&one);
        Some((Way::Exec(exec::exec(&one)?), propagation, one))
    });
    let mut ways: Vec<_> = updates.into_iter().chain(exec).collect();
    ways.sort_by_key(|(.., table)| table.span.start);
    if let [(.., first), (.., second), ..] = ways.as_slice() {
        let line = table.log.source.line(first.span.start);
        let trouble = Trouble::new("`[challenge.dns-01]` has two ways", "expected one of them")
            .help(format!("the other one stands in line {line}"));
        table.log.wrong(second.span.clone(), trouble);
    }
    let Some((way, propagation, _)) = ways.into_iter().next() else {
        let known = raw::DNS_01.iter().filter(|key| table.value(key).is_some());
        if known.filter(|key| **key != "hosts").count() == 0 {
            let message = "`[challenge.dns-01]` says not who puts the records into the DNS";
            let expected = "expected `[challenge.dns-01.rfc2136]` or `[challenge.dns-01.exec]`";
            table.log.missing(Some(table.span.clone()), Trouble::new(message, expected));
        }
        return None;
    };
    Some((way, propagation))
}

fn propagation(table: &Table<'_>) -> Duration {
    table.text("propagation", value::duration).unwrap_or(PROPAGATION)
}

/// Secondaries that are told (NOTIFY) show a record within seconds.
const PROPAGATION: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, Names, Rfc2136, Way, decode, read};
    use crate::model::{Challenge, Hostname};

    fn parsed(challenges: &str, key: &'static str) -> Result<Config, String> {
        let text = format!(
            "[acme]\nagree-to-terms = true\n{challenges}\n[[domain]]\nname = \"example.org\"\n"
        );
        let path = Path::new("/etc/mailcert/mailcert.toml");
        let text = decode(path, text.as_bytes()).map_err(|faults| faults.to_string())?;
        let read = read(path, text, &|_| Ok(key.to_owned()));
        read.map(|(config, _)| config).map_err(|faults| faults.to_string())
    }

    fn updates(config: &Config) -> &Rfc2136 {
        let Way::Rfc2136(updates) = &config.dns01.as_ref().unwrap().way else { panic!() };
        updates
    }

    fn kind(config: &Config, host: &str) -> Challenge {
        config.challenge(&Hostname::parse(host).unwrap()).0
    }

    #[test]
    fn a_key_is_read_as_tsig_keygen_writes_it_and_never_shown() {
        let table = "[challenge.dns-01.rfc2136]\nkey-file = \"/etc/k\"";
        let text =
            "key \"mailcert.\" {\n\talgorithm hmac-sha512;\n\tsecret \"c3dvcmRmaXNo\";\n};\n";
        let config = parsed(table, text).unwrap();
        let key = updates(&config).key.clone().unwrap();
        assert_eq!((key.name.as_str(), key.secret.as_slice()), ("mailcert.", &b"swordfish"[..]));
        assert_eq!(format!("{key:?}"), "TsigKey(mailcert. hmac-sha512)");
        let alone = format!("{table}\nkey-name = \"k\"");
        let config = parsed(&alone, "c3dvcmRmaXNo\n").unwrap();
        let key = updates(&config).key.clone().unwrap();
        assert_eq!(format!("{key:?}"), "TsigKey(k hmac-sha256)");
        for (table, text, expected) in [
            (table, "c3dvcmRmaXNo", "the file holds no key name"),
            (&alone, "swordfish!", "the secret of the key is no base64"),
            (table, "key { secret }", "the file holds no key"),
        ] {
            let said = parsed(table, text).unwrap_err();
            assert!(said.contains(expected) && !said.contains("swordfish"), "{said}");
        }
    }

    #[test]
    fn dns_01_alone_takes_all_names_and_beside_http_01_those_of_hosts() {
        let alone = parsed("[challenge.dns-01.rfc2136]", "").unwrap();
        assert_eq!(alone.dns01.as_ref().unwrap().names, Names::All);
        assert_eq!(kind(&alone, "mx.example.org"), Challenge::Dns01);
        let beside = "[challenge.http-01]\n[challenge.dns-01]\nhosts = [\"mx.example.org\"]\n\
                      [challenge.dns-01.rfc2136]";
        let beside = parsed(beside, "").unwrap();
        assert_eq!(kind(&beside, "mx.example.org"), Challenge::Dns01);
        assert_eq!(kind(&beside, "imap.example.org"), Challenge::Http01);
        let nobody = "[challenge.http-01]\n[challenge.dns-01.rfc2136]";
        assert!(parsed(nobody, "").unwrap_err().contains("answers for no name"));
    }
}
