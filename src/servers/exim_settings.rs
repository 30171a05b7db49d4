//! What Exim says of itself: `exim -bP` and `exim -bV`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::config::EximLayout;
use crate::model::Service;
use crate::servers::Listener;
use crate::servers::postfix_settings::{major_minor, port_number};

/// The options that are asked for, in one `exim -bP`.
pub const OPTIONS: [&str; 11] = [
    "tls_certificate",
    "tls_privatekey",
    "tls_advertise_hosts",
    "tls_on_connect_ports",
    "daemon_smtp_ports",
    "local_interfaces",
    "primary_hostname",
    "exim_user",
    "exim_group",
    "pid_file_path",
    "spool_directory",
];

/// One more, which only a build that says so in `exim -bV` knows: an option that is unknown fails
/// the whole question.
#[must_use]
pub fn proxy_option(version: &str) -> Option<&'static str> {
    let support = version.lines().find_map(|line| line.strip_prefix("Support for:"))?;
    support.split_whitespace().any(|word| word == "PROXY").then_some("hosts_proxy")
}

/// The lines of `exim -bP`: `name = value`, and `name` or `no_name` for a switch.
#[must_use]
pub fn values(output: &str) -> BTreeMap<String, String> {
    output
        .lines()
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), value.trim().to_owned()),
            None => match line.trim().strip_prefix("no_") {
                Some(name) => (name.to_owned(), "no".to_owned()),
                None => (line.trim().to_owned(), "yes".to_owned()),
            },
        })
        .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
        .collect()
}

/// The daemon's listening sockets: `local_interfaces` (an element may have a port of its own)
/// times `daemon_smtp_ports`.
#[must_use]
pub fn listeners(values: &BTreeMap<String, String>) -> Vec<Listener> {
    let value = |name: &str| values.get(name).map_or("", |value| value.as_str());
    let ports = |text: &str| -> Vec<u16> {
        list(text).iter().filter_map(|port| port_number(port)).collect()
    };
    let implicit = ports(value("tls_on_connect_ports"));
    let mut common = ports(value("daemon_smtp_ports"));
    if common.is_empty() {
        common.push(Service::Smtp.port());
    }
    let mut places: Vec<(Option<IpAddr>, Option<u16>)> =
        list(value("local_interfaces")).iter().filter_map(|text| interface(text)).collect();
    if places.is_empty() {
        places.push((None, None));
    }
    let mut listeners: Vec<Listener> = places
        .into_iter()
        .flat_map(|(address, own)| {
            let ports = own.map_or_else(|| common.clone(), |port| vec![port]);
            ports.into_iter().map(move |port| (address, port))
        })
        .map(|(address, port)| {
            let service = match (implicit.contains(&port), port) {
                (true, _) => Service::Submissions,
                (false, 587) => Service::Submission,
                (false, _) => Service::Smtp,
            };
            let proxy = expects_proxy(value("hosts_proxy"), address);
            Listener { address, port, service, proxy }
        })
        .collect();
    listeners.sort_unstable();
    listeners.dedup();
    listeners
}

/// Whether a client on this machine has to send the header there. `hosts_proxy` lists clients, and
/// one that connects from here to an address of this machine comes from that same address, or from
/// 127.0.0.1 within 127.0.0.0/8. Lists by name and lookups are not followed.
fn expects_proxy(hosts: &str, address: Option<IpAddr>) -> bool {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let from = address.filter(|own| own.is_ipv6() || !own.is_loopback()).unwrap_or(localhost);
    for item in list(hosts) {
        let (wanted, pattern) = match item.strip_prefix('!') {
            Some(rest) => (false, rest.trim()),
            None => (true, item.as_str()),
        };
        if pattern == "*" || is_in(pattern, from) {
            return wanted;
        }
    }
    false
}

/// Whether an address is this one or in this network (`192.0.2.0/24`).
fn is_in(pattern: &str, address: IpAddr) -> bool {
    let (network, length) = pattern.split_once('/').unwrap_or((pattern, "128"));
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let rest = 32 - length.min(32);
            u32::from(a).checked_shr(rest) == u32::from(b).checked_shr(rest)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let rest = 128 - length.min(128);
            u128::from(a).checked_shr(rest) == u128::from(b).checked_shr(rest)
        }
        _ => false,
    }
}

/// Whether the option is expanded again for the name a client asks for. Exim looks for these
/// literal words in the unexpanded text.
#[must_use]
pub fn is_per_name(option: &str) -> bool {
    ["tls_in_sni", "tls_sni", "tls_out_sni"].iter().any(|word| option.contains(word))
}

/// Whether the option looks the client's name up as the client wrote it, although a name has no
/// case (RFC 6066 section 3): `dsearch` and `exists` compare letters, `lsearch` and its kin do not.
#[must_use]
pub fn minds_case(option: &str) -> bool {
    let folds = ["${lc:", "lsearch"].iter().any(|word| option.contains(word));
    is_per_name(option) && !folds
}

/// The layout that `tls_certificate` uses already, if it shows one.
#[must_use]
pub fn layout(certificate: &str) -> Option<EximLayout> {
    if !is_per_name(certificate) {
        return None;
    }
    if certificate.contains("exim.crt") {
        return Some(EximLayout::Split);
    }
    certificate.contains(".pem").then_some(EximLayout::Combined)
}

/// Major and minor of the first line of `exim -bV`: `Exim version 4.96 #2 built ...`.
#[must_use]
pub fn version(output: &str) -> Option<(u32, u32)> {
    output.lines().find_map(|line| major_minor(line.strip_prefix("Exim version ")?))
}

/// The file the last line of `exim -bV` names.
#[must_use]
pub fn configuration_file(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("Configuration file is ")).map(str::trim)
}

/// An Exim list: separated by colons, a doubled one stands for itself; `<;` in front names
/// another separator.
pub(super) fn list(text: &str) -> Vec<String> {
    let text = text.trim();
    let (separator, text) = match text.strip_prefix('<').and_then(|rest| rest.chars().next()) {
        Some(other) => (other, &text[1 + other.len_utf8()..]),
        None => (':', text),
    };
    let doubled: String = [separator, separator].iter().collect();
    text.replace(&doubled, "\u{0}")
        .split(separator)
        .map(|item| item.trim().replace('\u{0}', &separator.to_string()))
        .filter(|item| !item.is_empty())
        .collect()
}

/// `192.0.2.7`, `192.0.2.7.25`, `[192.0.2.7]:25`, `2001:db8::7`, `[::]:465`.
fn interface(text: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    let any = |address: IpAddr| (!address.is_unspecified()).then_some(address);
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return Some((any(address.parse().ok()?), port.strip_prefix(':').and_then(port_number)));
    }
    if let Ok(address) = text.parse() {
        return Some((any(address), None));
    }
    let (address, port) = text.rsplit_once('.')?;
    Some((any(address.parse().ok()?), Some(port_number(port)?)))
}

#[cfg(test)]
mod tests {
    use super::{
        configuration_file, expects_proxy, is_per_name, layout, list, listeners, minds_case,
        proxy_option, values, version,
    };
    use crate::config::EximLayout;

    fn shown(settings: &str) -> Vec<String> {
        listeners(&values(settings))
            .iter()
            .map(|l| {
                let address = l.address.map_or_else(|| "*".to_owned(), |a| a.to_string());
                format!("{address} {} {}", l.port, l.service)
            })
            .collect()
    }

    #[test]
    fn listeners_are_addresses_times_ports() {
        for (settings, expected) in [
            ("daemon_smtp_ports = smtp\nlocal_interfaces = \n", &["* 25 smtp"][..]),
            ("local_interfaces = <; 127.0.0.1 ; ::1", &["127.0.0.1 25 smtp", "::1 25 smtp"]),
            ("local_interfaces = 127.0.0.1 : ::::1", &["127.0.0.1 25 smtp", "::1 25 smtp"]),
            (
                "daemon_smtp_ports = 25 : 587 : 465\ntls_on_connect_ports = 465\n\
                 local_interfaces = 192.0.2.7",
                &["192.0.2.7 25 smtp", "192.0.2.7 465 submissions", "192.0.2.7 587 submission"],
            ),
            (
                "local_interfaces = <; [192.0.2.7]:26 ; 192.0.2.8.587 ; [::]:465",
                &["* 465 smtp", "192.0.2.7 26 smtp", "192.0.2.8 587 submission"],
            ),
            ("local_interfaces = 0.0.0.0", &["* 25 smtp"]),
        ] {
            assert_eq!(shown(settings), expected, "{settings}");
        }
    }

    #[test]
    fn a_proxy_header_is_sent_where_hosts_proxy_lists_this_machine() {
        for (hosts, address, expected) in [
            ("", None, false),
            ("*", None, true),
            ("192.0.2.7", Some("192.0.2.7"), true),
            ("192.0.2.7", Some("192.0.2.8"), false),
            ("192.0.2.0/24", Some("192.0.2.8"), true),
            ("0.0.0.0/0", None, true),
            ("127.0.0.1", Some("127.0.81.1"), true),
            ("! 192.0.2.8 : *", Some("192.0.2.8"), false),
            ("<; 2001:db8::/32", Some("2001:db8::7"), true),
            ("<; ::/0", Some("192.0.2.8"), false),
            ("+relays : net-lsearch;/x : 192.0.2.0/x", Some("192.0.2.8"), false),
        ] {
            let address = address.map(|text| text.parse().unwrap());
            assert_eq!(expects_proxy(hosts, address), expected, "{hosts} {address:?}");
        }
        let settings = values("daemon_smtp_ports = 25\nhosts_proxy = *\n");
        assert!(listeners(&settings).iter().all(|listener| listener.proxy));
    }

    #[test]
    fn only_a_build_that_knows_the_option_is_asked_for_it() {
        let heavy = "Exim version 4.96\nSupport for: crypteq IPv6 TLS PROXY SOCKS\n";
        assert_eq!(proxy_option(heavy), Some("hosts_proxy"));
        assert_eq!(proxy_option("Support for: crypteq IPv6 GnuTLS\n"), None);
    }

    #[test]
    fn a_list_may_name_its_separator() {
        assert_eq!(list("a : b::c :"), ["a", "b:c"]);
        assert_eq!(list("<, a:b , c"), ["a:b", "c"]);
        assert_eq!(list(""), [""; 0]);
    }

    #[test]
    fn options_and_switches_are_read() {
        let all =
            values("tls_privatekey = \ntls_certificate = ${if eq{a}{b}}\nno_tls_x\nsplit_y\n");
        let pairs: Vec<_> = all.iter().map(|(k, v)| format!("{k}|{v}")).collect();
        assert_eq!(
            pairs,
            ["split_y|yes", "tls_certificate|${if eq{a}{b}}", "tls_privatekey|", "tls_x|no"]
        );
    }

    #[test]
    fn the_layout_in_use_is_recognised() {
        for (option, expected) in [
            (
                "${if exists{/d/exim.crt.${tls_sni}}{/d/exim.crt.${tls_sni}}{/d/exim.crt}}",
                Some(EximLayout::Split),
            ),
            ("${lookup{${lc:$tls_in_sni}.pem}dsearch{/d}{$value}}", Some(EximLayout::Combined)),
            ("/etc/exim4/exim.crt", None),
            ("/d/${tls_in_sni}", None),
            ("", None),
        ] {
            assert_eq!(layout(option), expected, "{option}");
        }
        assert!(is_per_name("/d/${tls_in_sni}") && !is_per_name("/d/x.pem"));
    }

    #[test]
    fn a_lookup_in_the_letters_of_the_client_is_noticed() {
        for (option, expected) in [
            ("${lookup{$tls_in_sni.pem}dsearch{/d}{$value}}", true),
            ("${if exists{/d/exim.crt.${tls_sni}}{/d/exim.crt.${tls_sni}}{/d/exim.crt}}", true),
            ("${lookup{${lc:$tls_in_sni}.pem}dsearch{/d}{$value}}", false),
            ("${lookup{$tls_in_sni}lsearch{/d/map}{$value}}", false),
            ("/d/x.pem", false),
        ] {
            assert_eq!(minds_case(option), expected, "{option}");
        }
    }

    #[test]
    fn the_version_is_in_the_first_line() {
        let output = "Exim version 4.96 #2 built 27-May-2026\nx\nConfiguration file is /e/c\n";
        assert_eq!(version(output), Some((4, 96)));
        assert_eq!(configuration_file(output), Some("/e/c"));
        assert_eq!((version("exim: no"), configuration_file("")), (None, None));
    }
}
