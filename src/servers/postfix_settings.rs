//! What Postfix says of itself: `postconf`, `postconf -M`, `postconf -P`, `postconf -m`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::Service;
use crate::servers::Listener;

/// One line of master.cf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterLine {
    /// The first field: `smtp`, `127.0.0.1:10025`, `[::1]:smtp`.
    pub name: String,
    /// The second field: `inet`, `unix`, `pass`.
    pub kind: String,
    /// The program: `smtpd`, `postscreen`, `tlsproxy`.
    pub program: String,
}

/// The lines `name = value` of `postconf`.
#[must_use]
pub fn values(output: &str) -> BTreeMap<String, String> {
    output
        .lines()
        .filter_map(|line| line.split_once(" =").map(|(name, value)| (name.trim(), value.trim())))
        .filter(|(name, _)| !name.contains(char::is_whitespace))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The services of `postconf -M`; lines that are none are passed over.
#[must_use]
pub fn master(output: &str) -> Vec<MasterLine> {
    output
        .lines()
        .filter(|line| !line.starts_with([' ', '\t', '#']))
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (name, kind) = (fields.next()?.to_owned(), fields.next()?.to_owned());
            // private, unprivileged, chroot, wake-up, process limit
            let program = fields.nth(5)?.to_owned();
            Some(MasterLine { name, kind, program })
        })
        .collect()
}

/// Whether tlsproxy is set up, which serves port 25 where postscreen runs.
#[must_use]
pub fn has_tlsproxy(lines: &[MasterLine]) -> bool {
    lines.iter().any(|line| line.program == "tlsproxy")
        && lines.iter().any(|line| line.kind == "inet" && line.program == "postscreen")
}

/// Where Postfix takes mail by TLS: the `inet` services of smtpd and postscreen. `values` are
/// those of main.cf with `inet_interfaces` expanded, `overrides` the output of `postconf -P`
/// (`smtps/inet/smtpd_tls_wrappermode = yes`). A content filter's way back (a loopback address
/// on a port of its own) and services without TLS are no listeners.
#[must_use]
pub fn listeners(
    lines: &[MasterLine],
    values: &BTreeMap<String, String>,
    overrides: &BTreeMap<String, String>,
) -> Vec<Listener> {
    let everywhere = interfaces(values.get("inet_interfaces").map_or("all", |text| text));
    let mut listeners = Vec::new();
    for line in lines.iter().filter(|line| line.kind == "inet") {
        if !matches!(line.program.as_str(), "smtpd" | "postscreen") {
            continue;
        }
        let setting = |name: &str| {
            overrides
                .get(&format!("{}/inet/{name}", line.name))
                .or_else(|| values.get(name))
                .map_or("", |value| value)
        };
        let Some((host, port)) = endpoint(&line.name) else { continue };
        let implicit = setting("smtpd_tls_wrappermode") == "yes";
        // postscreen hands the connection on and takes the header itself.
        let proxy = !setting(match line.program.as_str() {
            "postscreen" => "postscreen_upstream_proxy_protocol",
            _ => "smtpd_upstream_proxy_protocol",
        })
        .is_empty();
        if setting("smtpd_tls_security_level") == "none" && !implicit {
            continue;
        }
        let addresses = host.map_or_else(|| everywhere.clone(), |host| interfaces(&host));
        for address in addresses {
            let own_port = Service::at_port(port).is_none();
            if own_port && address.is_some_and(|address| address.is_loopback()) {
                continue;
            }
            let service = service(port, implicit);
            listeners.push(Listener { address, port, service, proxy });
        }
    }
    listeners.sort_unstable();
    listeners.dedup();
    listeners
}

/// The TLS files that a service of master.cf has of its own (`postconf -P`): the service as
/// `postconf -P` names it, the setting, and its value. Services that serve no TLS to the network
/// are passed over.
#[must_use]
pub fn own_files(
    lines: &[MasterLine],
    overrides: &BTreeMap<String, String>,
) -> Vec<(String, String, String)> {
    let serves = |line: &MasterLine| match line.program.as_str() {
        "smtpd" => matches!(line.kind.as_str(), "inet" | "pass"),
        "postscreen" | "tlsproxy" => true,
        _ => false,
    };
    let services: Vec<String> = (lines.iter().filter(|line| serves(line)))
        .map(|line| format!("{}/{}", line.name, line.kind))
        .collect();
    overrides
        .iter()
        .filter_map(|(place, value)| {
            let (service, setting) = place.rsplit_once('/')?;
            let is_of_files = OWN_FILES.contains(&setting);
            let counts = is_of_files && services.iter().any(|known| known == service);
            counts.then(|| (service.to_owned(), setting.to_owned(), value.clone()))
        })
        .collect()
}

/// The settings that name a server's certificates, keys and SNI maps, the legacy ones too.
const OWN_FILES: [&str; 10] = [
    "smtpd_tls_chain_files",
    "tls_server_sni_maps",
    "smtpd_tls_cert_file",
    "smtpd_tls_key_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
    "tlsproxy_tls_chain_files",
    "tlsproxy_tls_cert_file",
];

/// Which service smtpd offers at a port; ports of one's own are submission if TLS comes first,
/// else mail between servers.
fn service(port: u16, implicit: bool) -> Service {
    match (implicit, port) {
        (true, _) => Service::Submissions,
        (false, 587) => Service::Submission,
        (false, _) => Service::Smtp,
    }
}

/// `HOST:PORT` or `PORT`; the port by number or by name.
fn endpoint(name: &str) -> Option<(Option<String>, u16)> {
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) => (Some(host.trim_matches(['[', ']']).to_owned()), port),
        None => (None, name),
    };
    Some((host.filter(|host| !host.is_empty()), port_number(port)?))
}

/// The port of a name of /etc/services that mail servers use, or of a number.
pub(super) fn port_number(text: &str) -> Option<u16> {
    match text.trim() {
        "smtp" | "mail" => Some(25),
        "submission" | "msa" => Some(587),
        "submissions" | "smtps" | "ssmtp" | "urd" => Some(465),
        number => number.parse().ok().filter(|port| *port != 0),
    }
}

/// The addresses of an `inet_interfaces` list or of a service's host part. A host name (Postfix
/// resolves it when it starts) could be any address of this machine.
fn interfaces(text: &str) -> Vec<Option<IpAddr>> {
    let mut addresses = Vec::new();
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let bare = word.trim_matches(['[', ']']);
        match (bare, bare.parse()) {
            (_, Ok(address)) if IpAddr::is_unspecified(&address) => addresses.push(None),
            (_, Ok(address)) => addresses.push(Some(address)),
            ("loopback-only" | "localhost", _) => {
                addresses.push(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
                addresses.push(Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
            }
            _ => addresses.push(None),
        }
    }
    addresses
}

/// Major and minor of `mail_version`: `3.7.11`, `3.9-20240101`.
#[must_use]
pub fn version(text: &str) -> Option<(u32, u32)> {
    major_minor(text.trim())
}

/// The first two numbers of a version.
pub(super) fn major_minor(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{has_tlsproxy, listeners, master, own_files, values, version};

    const MASTER: &str = "\
smtp       inet  n       -       y       -       1       postscreen
smtpd      pass  -       -       y       -       -       smtpd
tlsproxy   unix  -       -       y       -       0       tlsproxy
submission inet  n       -       y       -       -       smtpd -o smtpd_tls_security_level=encrypt
smtps      inet  n       -       y       -       -       smtpd
[::1]:2465 inet  n       -       y       -       -       smtpd
192.0.2.7:2525 inet n    -       y       -       -       smtpd
127.0.0.1:10025 inet n   -       y       -       -       smtpd
192.0.2.8:26 inet n      -       y       -       -       smtpd
127.0.24.10:25 inet n    -       n       -       -       smtpd
4190       inet  n       -       y       -       -       spawn user=x argv=/bin/x
pickup     unix  n       -       y       60      1       pickup
postlog    unix-dgram n  -       n       -       1       postlogd
";
    const OVERRIDES: &str = "\
smtps/inet/smtpd_tls_wrappermode = yes
submission/inet/smtpd_tls_security_level = encrypt
192.0.2.8:26/inet/smtpd_tls_security_level = none
";

    fn shown(interfaces: &str) -> Vec<String> {
        let main = format!("inet_interfaces = {interfaces}\nsmtpd_tls_wrappermode = no\n");
        listeners(&master(MASTER), &values(&main), &values(OVERRIDES))
            .iter()
            .map(|l| {
                let address = l.address.map_or_else(|| "*".to_owned(), |a| a.to_string());
                let proxy = if l.proxy { " proxy" } else { "" };
                format!("{address} {} {}{proxy}", l.port, l.service)
            })
            .collect()
    }

    #[test]
    fn a_proxy_header_is_expected_by_whom_the_setting_is_for() {
        let shown = |main: &str, overrides: &str| -> Vec<u16> {
            let all = listeners(&master(MASTER), &values(main), &values(overrides));
            all.iter().filter(|listener| listener.proxy).map(|listener| listener.port).collect()
        };
        let none = [0_u16; 0];
        assert_eq!(shown("smtpd_upstream_proxy_protocol =\n", ""), none);
        assert_eq!(shown("postscreen_upstream_proxy_protocol = haproxy\n", ""), [25]);
        assert_eq!(shown("", "submission/inet/smtpd_upstream_proxy_protocol = haproxy\n"), [587]);
        let but_one = "smtps/inet/smtpd_upstream_proxy_protocol =\n";
        assert_eq!(
            shown("smtpd_upstream_proxy_protocol = haproxy\n", but_one),
            [587, 25, 2525, 26]
        );
    }

    #[test]
    fn every_tls_listener_is_found_and_no_filter() {
        assert_eq!(
            shown("all"),
            [
                "* 25 smtp",
                "* 465 submissions",
                "* 587 submission",
                "127.0.24.10 25 smtp",
                "192.0.2.7 2525 smtp",
            ]
        );
        let local = shown("loopback-only");
        assert!(local.contains(&"127.0.0.1 25 smtp".to_owned()), "{local:?}");
        assert!(local.contains(&"::1 465 submissions".to_owned()), "{local:?}");
        assert!(shown("[2001:db8::7], 192.0.2.9").contains(&"2001:db8::7 587 submission".into()));
        assert!(shown("mail.example.org").contains(&"* 587 submission".into()));
    }

    #[test]
    fn tls_files_of_a_service_of_its_own_are_found() {
        let overrides = "\
submission/inet/smtpd_tls_cert_file = /etc/ssl/old.pem
submission/inet/smtpd_tls_security_level = encrypt
192.0.2.7:2525/inet/tls_server_sni_maps =
tlsproxy/unix/smtpd_tls_chain_files = /etc/ssl/a.pem, /etc/ssl/b.pem
smtpd/pass/smtpd_tls_key_file = /etc/ssl/old.key
smtp/unix/smtpd_tls_cert_file = /etc/ssl/none.pem
";
        let found = own_files(&master(MASTER), &values(overrides));
        let found: Vec<String> = found
            .iter()
            .map(|(service, name, value)| format!("{service} {name}={value}"))
            .collect();
        assert_eq!(
            found,
            [
                "192.0.2.7:2525/inet tls_server_sni_maps=",
                "smtpd/pass smtpd_tls_key_file=/etc/ssl/old.key",
                "submission/inet smtpd_tls_cert_file=/etc/ssl/old.pem",
                "tlsproxy/unix smtpd_tls_chain_files=/etc/ssl/a.pem, /etc/ssl/b.pem",
            ]
        );
    }

    #[test]
    fn tlsproxy_counts_only_behind_postscreen() {
        let mut lines = master(MASTER);
        assert!(has_tlsproxy(&lines));
        lines.retain(|line| line.program != "postscreen");
        assert!(!has_tlsproxy(&lines));
    }

    #[test]
    fn values_keep_equal_signs_and_may_be_empty() {
        let all = values("mail_version = 3.7.11\nrelayhost = \nempty =\nx = a=b = c\njunk\n");
        let pairs: Vec<_> = all.iter().map(|(k, v)| format!("{k}|{v}")).collect();
        assert_eq!(pairs, ["empty|", "mail_version|3.7.11", "relayhost|", "x|a=b = c"]);
    }

    #[test]
    fn a_snapshot_has_a_version_too() {
        for (text, expected) in [
            ("3.7.11", Some((3, 7))),
            ("3.9-20240101", Some((3, 9))),
            ("3.10.1\n", Some((3, 10))),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
