//! What concerns the machine rather than one server: git, two servers side by side, certificates
//! that nobody asks for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::{CertName, Code, DnsId, Finding, Hostname, Level};
use crate::servers::{Kind, Listener, Server};

/// The keys that a repository at `root` holds or would take in. `listed` is what `git ls-files -tz
/// --cached --others --exclude-standard` says of the paths it was asked about; `keys` are files
/// known to hold keys, and what lies in `own` directories is known by its name.
#[must_use]
pub fn in_git(
    root: &Path,
    listed: &str,
    keys: &BTreeSet<PathBuf>,
    own: &BTreeSet<PathBuf>,
) -> Vec<Finding> {
    let holds_key = |path: &PathBuf| {
        keys.contains(path) || (own.iter().any(|own| path.starts_with(own)) && is_key_by_name(path))
    };
    let mut held = Vec::new();
    let mut next = Vec::new();
    for entry in listed.split('\0') {
        let Some((tag, relative)) = entry.split_once(' ') else { continue };
        let path = root.join(relative);
        if holds_key(&path) {
            if tag == "?" { &mut next } else { &mut held }.push(path);
        }
    }
    let at = root.display();
    let told = |paths: &[PathBuf], what: &str, cure: &dyn Fn(&str) -> String| {
        let first = paths.first()?;
        let relative = first.strip_prefix(root).unwrap_or(first).display().to_string();
        let more = match paths.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let (first, cure) = (first.display(), cure(&relative));
        let message = format!("{first}{more} holds a private key and {what} in {at}; {cure}");
        Some(Finding::new(Code::KeyInGit, &at, message))
    };
    let untrack = |path: &str| {
        format!(
            "expected no key in any repository; `git -C {at} rm --cached {path}`, and a new key \
             if the repository was ever copied"
        )
    };
    let ignore = |path: &str| {
        format!("expected a .gitignore that leaves it out; `echo /{path} >> {at}/.gitignore`")
    };
    let held = told(&held, "is kept by git (etckeeper)", &untrack);
    let next = told(&next, "goes into the next commit (etckeeper)", &ignore);
    held.into_iter().chain(next).collect()
}

/// The keys in a directory of ours that everybody can read, of these files that everybody can.
#[must_use]
pub fn exposed_in(directory: &Path, readable: &[PathBuf]) -> Option<Finding> {
    let keys: Vec<&PathBuf> = readable.iter().filter(|path| is_key_by_name(path)).collect();
    let first = keys.first()?.display();
    let more = match keys.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let message = format!(
        "{first}{more} holds a private key that everybody on this machine can read; expected \
         0600, or 0640 and the server's group; `mailcert fix` tightens it, and a new key is due \
         if strangers can log in"
    );
    Some(Finding::new(Code::KeyExposed, directory.display(), message).at(Level::Warn))
}

/// Whether a file of a directory of ours holds a key: a pair, a key, a built map.
fn is_key_by_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let suffix = path.extension().unwrap_or_default().to_string_lossy();
    // The store's chains lie beside their keys.
    name != "chain.pem"
        && (["pem", "key", "lmdb", "db", "cdb"].contains(&&*suffix) || name.starts_with("exim.key"))
}

/// One mail server, as far as others are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Mta<'a> {
    /// Everything known of it.
    pub server: &'a Server,
    /// Whether it runs.
    pub running: bool,
}

impl Mta<'_> {
    fn word(&self) -> Option<&'static str> {
        match self.server.kind {
            Kind::Postfix(_) => Some("postfix"),
            Kind::Exim(_) => Some("exim"),
            Kind::Dovecot(_) | Kind::Files(_) => None,
        }
    }

    fn is_at_25(&self) -> bool {
        self.running && self.server.listeners.iter().any(|listener| listener.port == 25)
    }
}

/// Servers in each other's way: `sendmail` (`postfix` or `exim`, where its owner is known) is one
/// and port 25 another, or two are set up for the same address and port.
#[must_use]
pub fn shadowed(mtas: &[Mta<'_>], sendmail: Option<&str>) -> Vec<Finding> {
    let at_25: Vec<&str> = mtas.iter().filter(|mta| mta.is_at_25()).filter_map(Mta::word).collect();
    let mut findings = Vec::new();
    if let (Some(owner), Some(other)) = (sendmail, at_25.first())
        && !at_25.contains(&owner)
    {
        let message = format!(
            "/usr/sbin/sendmail is {owner}'s and port 25 is {other}'s: what programs here send \
             has another queue, log and TLS setting than what comes in; expected one of the two; \
             remove {owner} with the package manager, so that {other} brings its own sendmail"
        );
        findings.push(Finding::new(Code::MtaShadowed, owner, message));
    }
    for (at, one) in mtas.iter().enumerate() {
        for other in &mtas[at + 1..] {
            let (Some(_), Some(_)) = (one.word(), other.word()) else { continue };
            let Some(shared) = shared(&one.server.listeners, &other.server.listeners) else {
                continue;
            };
            let (one, other) = (&one.server.id, &other.server.id);
            let message = format!(
                "{one} and {other} are both set up to listen at {shared}, and only one can; \
                 expected one of them, or an address for each (Postfix: inet_interfaces, Exim: \
                 local_interfaces); `ss -ltnp` says who does"
            );
            findings.push(Finding::new(Code::MtaShadowed, one, message));
        }
    }
    findings
}

/// The first place that is in both lists.
fn shared(one: &[Listener], other: &[Listener]) -> Option<String> {
    let meets = |a: &Listener, b: &Listener| {
        a.port == b.port
            && match (a.address, b.address) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            }
    };
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let (a, b) = pairs.into_iter().find(|(a, b)| meets(a, b))?;
    Some(match a.address.or(b.address) {
        Some(std::net::IpAddr::V6(address)) => format!("[{address}]:{}", a.port),
        Some(address) => format!("{address}:{}", a.port),
        None => format!("*:{}", a.port),
    })
}

/// Held certificates of which no name is wanted. `wished` are the names that are, `open` the
/// domains of which nobody knows yet, since the DNS was not asked.
#[must_use]
pub fn unasked(
    held: &[(CertName, Vec<DnsId>)],
    wished: &BTreeSet<DnsId>,
    open: &[Hostname],
) -> Vec<Finding> {
    let is_asked = |id: &DnsId| {
        let stands_for = |wish: &DnsId| wish.host().is_some_and(|host| id.matches(host));
        let listed = wished.contains(id) || id.is_wildcard() && wished.iter().any(stands_for);
        listed || open.iter().any(|domain| id.domain().is_within(domain))
    };
    held.iter()
        .filter(|(_, names)| !names.iter().any(is_asked))
        .map(|(name, names)| {
            let names: Vec<String> = names.iter().take(3).map(ToString::to_string).collect();
            let message = format!(
                "{name} is held and not renewed: none of its names ({}) is one of a mail host \
                 here; expected a [[domain]] of mailcert.toml that has one in the DNS or in \
                 `hosts`; `mailcert discover -v` says why a name is left out",
                names.join(", "),
            );
            Finding::new(Code::CertificateUnasked, name, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::{Mta, exposed_in, in_git, shadowed, unasked};
    use crate::model::{CertName, DnsId, Hostname, Service};
    use crate::servers::entries::samples::server;
    use crate::servers::{Dovecot, Exim, Kind, Listener, Postfix, Server};

    #[test]
    fn keys_in_a_repository_are_found_and_other_files_are_not() {
        let keys = BTreeSet::from([PathBuf::from("/etc/ssl/private/x.key")]);
        let own = BTreeSet::from([PathBuf::from("/etc/postfix/mailcert")]);
        let told = |listed: &str| -> Vec<String> {
            let found = in_git(Path::new("/etc"), listed, &keys, &own);
            found.iter().map(|f| format!("{}: {}", f.subject, f.message)).collect()
        };
        for listed in [
            "",
            "H postfix/main.cf\0",
            "? ssl/private/other.key\0",
            "H postfix/mailcert/.gitignore\0H postfix/mailcert/sni\0? postfix/mailcert/chain.pem\0",
            "junk\0",
        ] {
            assert_eq!(told(listed), [""; 0], "{listed}");
        }
        assert_eq!(
            told("H ssl/private/x.key\0H postfix/mailcert/a.test.pem\0"),
            ["/etc: /etc/ssl/private/x.key (and 1 more) holds a private key and is kept by git \
              (etckeeper) in /etc; expected no key in any repository; `git -C /etc rm --cached \
              ssl/private/x.key`, and a new key if the repository was ever copied"]
        );
        assert_eq!(
            told("? postfix/mailcert/sni.lmdb\0"),
            ["/etc: /etc/postfix/mailcert/sni.lmdb holds a private key and goes into the next \
              commit (etckeeper) in /etc; expected a .gitignore that leaves it out; `echo \
              /postfix/mailcert/sni.lmdb >> /etc/.gitignore`"]
        );
    }

    #[test]
    fn what_everybody_can_read_is_exposed_if_it_is_a_key() {
        let told = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| Path::new("/d").join(name)).collect();
            exposed_in(Path::new("/d"), &paths).map(|finding| finding.message)
        };
        for names in [&[][..], &["sni", ".gitignore", "exim.crt.a.test", "mailcert.conf"]] {
            assert_eq!(told(names), None);
        }
        for (names, expected) in [
            (&["a.test.pem"][..], "/d/a.test.pem holds a private key that everybody"),
            (&["sni", "sni.db", "a.pem"], "/d/sni.db (and 1 more) holds"),
            (&["exim.key.a.test"], "/d/exim.key.a.test holds"),
        ] {
            let found = told(names).unwrap();
            assert!(found.starts_with(expected), "{found}");
        }
    }

    fn at(kind: Kind, address: Option<&str>, port: u16) -> Server {
        let address = address.map(|text| text.parse().unwrap());
        let listener = Listener { address, port, service: Service::Smtp, proxy: false };
        Server { listeners: vec![listener], ..server(kind, "/d") }
    }

    fn exim(address: Option<&str>, port: u16) -> Server {
        let exim = Exim {
            binary: "/usr/sbin/exim4".into(),
            config_file: None,
            layout: crate::config::EximLayout::Combined,
            fixed_path: false,
            lists: true,
        };
        at(Kind::Exim(exim), address, port)
    }

    fn postfix(address: Option<&str>, port: u16) -> Server {
        let postfix = Postfix {
            config_directory: "/etc/postfix".into(),
            map_type: "lmdb".to_owned(),
            tlsproxy: false,
        };
        at(Kind::Postfix(postfix), address, port)
    }

    #[test]
    fn servers_in_each_others_way_are_found() {
        let dovecot = Dovecot { config_file: "/d.conf".into(), version: (2, 3) };
        let dovecot = || at(Kind::Dovecot(dovecot.clone()), None, 25);
        let (one, two) = (Some("192.0.2.7"), Some("192.0.2.8"));
        for (servers, running, sendmail, expected) in [
            (vec![postfix(one, 25), exim(two, 25)], true, Some("postfix"), None),
            (vec![postfix(one, 25)], true, Some("postfix"), None),
            (vec![postfix(one, 25)], true, None, None),
            (vec![postfix(one, 25)], false, Some("exim"), None),
            (vec![postfix(one, 587)], true, Some("exim"), None),
            (vec![postfix(one, 25), dovecot()], true, None, None),
            (vec![exim(None, 587), postfix(None, 25)], true, Some("postfix"), None),
            (
                vec![postfix(one, 25)],
                true,
                Some("exim"),
                Some("is exim's and port 25 is postfix's"),
            ),
            (vec![postfix(None, 25), exim(two, 25)], true, None, Some("listen at 192.0.2.8:25,")),
            (vec![postfix(None, 25), exim(None, 25)], false, None, Some("listen at *:25,")),
            (vec![exim(Some("::1"), 25), exim(None, 25)], false, None, Some("at [::1]:25,")),
        ] {
            let mtas: Vec<Mta> = servers.iter().map(|server| Mta { server, running }).collect();
            let found: Vec<String> =
                shadowed(&mtas, sendmail).into_iter().map(|finding| finding.message).collect();
            match expected {
                None => assert_eq!(found, [""; 0], "{servers:?}"),
                Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{found:?}"),
            }
        }
    }

    #[test]
    fn a_certificate_is_unasked_when_none_of_its_names_is_wanted() {
        let host = |text: &str| Hostname::parse(text).unwrap();
        let wished = ["mx.a.test", "mail.b.test", "*.d.test"];
        let wished = wished.map(|name| DnsId::parse(name).unwrap()).into();
        for (names, expected) in [
            (vec!["mx.a.test"], 0),
            (vec!["old.a.test", "mx.a.test"], 0),
            (vec!["*.b.test"], 0),
            (vec!["x.open.test"], 0),
            (vec!["*.open.test"], 0),
            (vec!["old.a.test"], 1),
            (vec!["*.c.test"], 1),
            (vec!["*.d.test"], 0),
        ] {
            let ids = names.iter().map(|name| DnsId::parse(name).unwrap()).collect();
            let held = [(CertName::parse("a.test").unwrap(), ids)];
            let found = unasked(&held, &wished, &[host("open.test")]);
            assert_eq!(found.len(), expected, "{names:?} {found:?}");
        }
    }
}
