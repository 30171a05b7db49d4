//! What Dovecot 2.3 and 2.4 say of themselves: `doveconf`, and the text of its main file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use crate::model::Service;
use crate::servers::Listener;
use crate::servers::postfix_settings::major_minor;

/// What is asked for, in one `doveconf`: values, and every service with its listeners. 2.4 knows
/// no `ssl_cert`, 2.3 no `ssl_server`; each passes over the other's in silence.
pub const QUESTIONS: [&str; 7] =
    ["protocols", "listen", "ssl", "ssl_cert", "ssl_server", "base_dir", "service"];

/// The lines `name = value` outside of every block; those in 2.4's block `ssl_server` under the
/// names by which they are set, such as `ssl_server_cert_file`.
#[must_use]
pub fn values(output: &str) -> BTreeMap<String, String> {
    let mut blocks: Vec<&str> = Vec::new();
    let mut values = BTreeMap::new();
    for line in output.lines().map(str::trim) {
        if line == "}" {
            blocks.pop();
        } else if let Some(label) = line.strip_suffix('{') {
            blocks.push(label.trim());
        } else if let Some((name, value)) = line.split_once(" =")
            && !line.starts_with('#')
            && (blocks.is_empty() || blocks == ["ssl_server"])
        {
            let path = blocks.iter().copied().chain([name.trim()]).collect::<Vec<_>>().join("_");
            values.insert(path, value.trim().to_owned());
        }
    }
    values
}

/// One `inet_listener` of a service.
#[derive(Debug, Default)]
struct Inet {
    protocol: Option<Protocol>,
    port: u16,
    ssl: bool,
    proxy: bool,
    address: String,
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Imap,
    Pop3,
    Sieve,
    Submission,
}

/// The sockets on which a client can log in: the `inet_listener`s of the login services whose
/// protocol is switched on. Without an address of their own they have those of `listen`.
#[must_use]
pub fn listeners(output: &str) -> Vec<Listener> {
    let values = values(output);
    let value = |name: &str| values.get(name).map_or("", |value| value.as_str());
    let everywhere = addresses(value("listen"));
    let protocols: Vec<&str> = value("protocols").split_whitespace().collect();
    if value("ssl") == "no" {
        return Vec::new();
    }
    let mut listeners = Vec::new();
    for inet in inet_listeners(output) {
        let Some(protocol) = inet
            .protocol
            .filter(|protocol| protocols.contains(&protocol.word()) || protocols.contains(&"all"))
        else {
            continue;
        };
        let own = addresses(&inet.address);
        let service = protocol.service(inet.ssl);
        for address in if own.is_empty() { &everywhere } else { &own } {
            let (port, proxy) = (inet.port, inet.proxy);
            listeners.push(Listener { address: *address, port, service, proxy });
        }
    }
    listeners.sort_unstable();
    listeners.dedup();
    listeners
}

impl Protocol {
    fn of_service(name: &str) -> Option<Self> {
        match name {
            "imap-login" => Some(Self::Imap),
            "pop3-login" => Some(Self::Pop3),
            "managesieve-login" => Some(Self::Sieve),
            "submission-login" => Some(Self::Submission),
            _ => None,
        }
    }

    /// Its word in `protocols`.
    fn word(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Sieve => "sieve",
            Self::Submission => "submission",
        }
    }

    fn service(self, ssl: bool) -> Service {
        match (self, ssl) {
            (Self::Imap, false) => Service::Imap,
            (Self::Imap, true) => Service::Imaps,
            (Self::Pop3, false) => Service::Pop3,
            (Self::Pop3, true) => Service::Pop3s,
            (Self::Sieve, _) => Service::Sieve,
            (Self::Submission, false) => Service::Submission,
            (Self::Submission, true) => Service::Submissions,
        }
    }
}

/// Every `inet_listener` with a port, in the blocks of `doveconf service`.
fn inet_listeners(output: &str) -> Vec<Inet> {
    let mut found = Vec::new();
    let mut protocol = None;
    let mut open: Option<Inet> = None;
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), &mut open) {
            (["service", name, "{"], _) => protocol = Protocol::of_service(name),
            (["inet_listener", .., "{"], _) => open = Some(Inet { protocol, ..Inet::default() }),
            (["port", "=", port], Some(inet)) => inet.port = port.parse().unwrap_or(0),
            (["ssl", "=", ssl], Some(inet)) => inet.ssl = *ssl == "yes",
            (["haproxy", "=", wanted], Some(inet)) => inet.proxy = *wanted == "yes",
            // `address` until 2.3, `listen` from 2.4 on.
            (["address" | "listen", "=", rest @ ..], Some(inet)) => inet.address = rest.join(" "),
            (["}"], Some(_)) => found.extend(open.take().filter(|inet| inet.port != 0)),
            _ => {}
        }
    }
    found
}

/// `*`, `::` and addresses, separated by commas or blanks; `*` and `::` together are one `None`.
fn addresses(text: &str) -> Vec<Option<IpAddr>> {
    let mut all: Vec<Option<IpAddr>> = text
        .split([' ', ',', '\t'])
        .map(|word| word.trim_matches(['[', ']']))
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().ok().filter(|address| !IpAddr::is_unspecified(address)))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The paths that the text of dovecot.conf includes, one a line; relative ones stand below
/// `folder`. Patterns are left as they are.
#[must_use]
pub fn includes(text: &str, folder: &Path) -> String {
    let paths: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (word, path) = line.trim().split_once(char::is_whitespace)?;
            let known = word == "!include" || word == "!include_try";
            known.then(|| folder.join(path.trim()).display().to_string())
        })
        .collect();
    paths.join("\n")
}

/// Major and minor of `dovecot --version`: `2.3.19.1 (9b53102964)`.
#[must_use]
pub fn version(output: &str) -> Option<(u32, u32)> {
    major_minor(output.trim())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{includes, listeners, values, version};

    const OUTPUT: &str = "\
service auth {
  unix_listener auth-userdb {
    mode = 0666
  }
  vsz_limit = 18446744073709551615 B
}
service imap-login {
  chroot = login
  inet_listener imap {
    address =
    haproxy = no
    port = 143
    ssl = no
  }
  inet_listener imaps {
    address = 192.0.2.7 2001:db8::7
    port = 993
    ssl = yes
  }
  user = $default_login_user
}
service managesieve-login {
  inet_listener sieve {
    address =
    port = 4190
    ssl = no
  }
}
service pop3-login {
  inet_listener pop3 {
    address =
    port = 0
    ssl = no
  }
  inet_listener pop3s {
    address =
    port = 995
    ssl = yes
  }
}
protocols = imap pop3
listen = *, ::
ssl = yes
ssl_cert = </etc/dovecot/private/dovecot.pem
base_dir = /run/dovecot
";

    fn shown(output: &str) -> Vec<String> {
        listeners(output)
            .iter()
            .map(|l| {
                let address = l.address.map_or_else(|| "*".to_owned(), |a| a.to_string());
                let proxy = if l.proxy { " proxy" } else { "" };
                format!("{address} {} {}{proxy}", l.port, l.service)
            })
            .collect()
    }

    #[test]
    fn a_listener_behind_a_load_balancer_is_known() {
        let behind = OUTPUT.replace("haproxy = no", "haproxy = yes");
        assert_eq!(shown(&behind)[..2], ["* 143 imap proxy", "* 995 pop3s"]);
    }

    #[test]
    fn login_listeners_of_protocols_that_are_on() {
        assert_eq!(
            shown(OUTPUT),
            ["* 143 imap", "* 995 pop3s", "192.0.2.7 993 imaps", "2001:db8::7 993 imaps"]
        );
        assert_eq!(shown(&OUTPUT.replace("= imap pop3", "= sieve")), ["* 4190 sieve"]);
        assert_eq!(shown(&OUTPUT.replace("*, ::", "127.0.24.30"))[0], "127.0.24.30 143 imap");
        assert_eq!(shown(&OUTPUT.replace("\nssl = yes", "\nssl = no")), [""; 0]);
    }

    #[test]
    fn what_2_4_says_is_read_as_well() {
        let output = "\
protocols = imap
listen = *, ::
ssl = yes
ssl_server {
  cert_file = /etc/dovecot/mailcert/default.pem
}
service imap-login {
  imap_capability {
    IMAP4rev1 = yes
  }
  unix_listener \"srv.imap-login/%{pid}\" {
    type = admin
  }
  inet_listener imap {
    port = 143
  }
  inet_listener imaps {
    haproxy = yes
    port = 993
    ssl = yes
    listen = 192.0.2.7
  }
}
";
        assert_eq!(shown(output), ["* 143 imap", "192.0.2.7 993 imaps proxy"]);
        let all = values(output);
        assert_eq!(all["ssl_server_cert_file"], "/etc/dovecot/mailcert/default.pem");
        assert_eq!(all.len(), 4, "{all:?}");
    }

    #[test]
    fn only_values_outside_of_blocks_count() {
        let all = values(OUTPUT);
        assert_eq!(all["ssl_cert"], "</etc/dovecot/private/dovecot.pem");
        assert_eq!(all.len(), 5, "{all:?}");
    }

    #[test]
    fn includes_are_read_from_the_text() {
        let text =
            "ssl = yes\n!include conf.d/*.conf\n # !include no\n  !include_try  /d/m.conf \n";
        assert_eq!(
            includes(text, Path::new("/etc/dovecot")),
            "/etc/dovecot/conf.d/*.conf\n/d/m.conf"
        );
    }

    #[test]
    fn the_version_is_two_numbers() {
        assert_eq!(version("2.3.19.1 (9b53102964)\n"), Some((2, 3)));
        assert_eq!(version("2.4.1-4"), Some((2, 4)));
        assert_eq!(version("doveconf: no"), None);
    }
}
