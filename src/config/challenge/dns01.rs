//! `[challenge.dns-01]`: who puts the TXT records into the DNS.

mod exec;
mod rfc2136;
mod serve;

use std::time::Duration;

use crate::config::fault::Trouble;
use crate::config::raw::{self, Table};
use crate::config::value;

pub use exec::Exec;
pub use rfc2136::Rfc2136;
pub use serve::Serve;

/// `[challenge.dns-01]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01 {
    /// Who puts the records there.
    pub way: Writer,
    /// How long the zone's servers may take to show a record.
    pub propagation: Duration,
}

/// Who puts records into the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// We, by updates of the zone.
    Rfc2136(Rfc2136),
    /// A program of the admin's.
    Exec(Exec),
    /// We, by a name server of our own to which names are delegated.
    Serve(Serve),
}

impl Writer {
    /// What its table below `[challenge.dns-01]` is called.
    #[must_use]
    pub fn table(&self) -> &'static str {
        match self {
            Self::Rfc2136(_) => "rfc2136",
            Self::Exec(_) => "exec",
            Self::Serve(_) => "serve",
        }
    }
}

/// What is configured.
pub(super) fn dns01(table: &Table<'_>) -> Option<Dns01> {
    let (way, propagation) = way(table)?;
    Some(Dns01 { way, propagation })
}

/// The one way there is; of two the later one is marked.
fn way(table: &Table<'_>) -> Option<(Writer, Duration)> {
    let updates = table.table("challenge.dns-01.rfc2136", raw::RFC2136);
    let updates =
        updates.map(|one| (Writer::Rfc2136(rfc2136::update(&one)), propagation(&one), one));
    let exec = table.table("challenge.dns-01.exec", raw::EXEC);
    let exec = exec.and_then(|one| {
        let propagation = propagation(&one);
        Some((Writer::Exec(exec::exec(&one)?), propagation, one))
    });
    let serve = table.table("challenge.dns-01.serve", raw::SERVE);
    let serve = serve.and_then(|one| Some((Writer::Serve(serve::serve(&one)?), ANSWERED, one)));
    let mut ways: Vec<_> = updates.into_iter().chain(exec).chain(serve).collect();
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
            let expected = "expected `[challenge.dns-01.rfc2136]`, `.exec]` or `.serve]` below";
            table.log.missing(Some(table.span.clone()), Trouble::new(message, expected));
        }
        return None;
    };
    Some((way, propagation))
}

fn propagation(table: &Table<'_>) -> Duration {
    table.text("propagation", value::duration).unwrap_or(PROPAGATION)
}

/// Our own server shows a record at once; a question to it may get lost.
const ANSWERED: Duration = Duration::from_secs(10);
/// Secondaries that are told (NOTIFY) show a record within seconds.
const PROPAGATION: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, Rfc2136, Writer, decode, read};

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
        let Writer::Rfc2136(updates) = &config.dns01.as_ref().unwrap().way else { panic!() };
        updates
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
}
