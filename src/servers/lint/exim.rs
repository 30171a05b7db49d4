//! Exim: the main options and the transports.

use std::collections::BTreeMap;

use crate::model::{Code, Finding};
use crate::servers::ServerId;
use crate::servers::exim_settings::values;
use crate::servers::lint::protocols::{of_gnutls, of_openssl};
use crate::servers::lint::{Named, Side};

/// One transport of `exim -bP transports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

/// The transports that `exim -bP transports` lists, each below `NAME transport:`.
#[must_use]
pub fn transports(output: &str) -> Vec<Transport> {
    let heading = |line: &str| line.strip_suffix(" transport:").map(str::to_owned);
    let mut all: Vec<(String, String)> = Vec::new();
    for line in output.lines() {
        match (heading(line), all.last_mut()) {
            (Some(name), _) => all.push((name, String::new())),
            (None, Some((_, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    all.into_iter().map(|(name, text)| Transport { name, options: values(&text) }).collect()
}

/// Everything that is found.
#[must_use]
pub fn exim(
    id: &ServerId,
    main: &BTreeMap<String, String>,
    transports: &[Transport],
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for transport in transports.iter().filter(|transport| transport.sends_out()) {
        findings.extend(outbound(id, transport));
        findings.extend(demands_ocsp(id, transport));
    }
    findings.extend(stapled(id, main));
    findings.extend(protocols(id, main));
    findings
}

/// The files with keys and certificates at fixed paths; those that depend on the client's SNI are
/// in a directory of their own.
#[must_use]
pub fn exim_files(main: &BTreeMap<String, String>, transports: &[Transport]) -> Vec<Named> {
    let mut all = Vec::new();
    for name in ["tls_certificate", "tls_privatekey"] {
        all.extend(Named::all(name, paths(value(main, name)), Side::Server));
        for transport in transports.iter().filter(|transport| transport.sends_out()) {
            let setting = format!("{name} of the transport {}", transport.name);
            all.extend(Named::all(&setting, paths(value(&transport.options, name)), Side::Client));
        }
    }
    all
}

impl Transport {
    /// Whether it speaks SMTP with other machines: not LMTP, nor a filter on this one.
    fn sends_out(&self) -> bool {
        let value = |name: &str| value(&self.options, name);
        let here = ["127.0.0.1", "localhost", "::1", "<;::1"];
        value("driver") == "smtp"
            && value("protocol") != "lmtp"
            && !here.iter().any(|host| value("hosts").starts_with(host))
    }
}

/// Transports that never ask for STARTTLS. Exceptions for single hosts are the admin's.
fn outbound(id: &ServerId, transport: &Transport) -> Option<Finding> {
    let avoided = value(&transport.options, "hosts_avoid_tls");
    if !is_everybody(avoided) {
        return None;
    }
    let name = &transport.name;
    let message = format!(
        "the transport {name} has hosts_avoid_tls = {avoided}: mail to others leaves in the \
         clear, and Workspace domains that demand TLS reject it; expected none; take the option \
         out of the transport (on Debian: the macro REMOTE_SMTP_HOSTS_AVOID_TLS)"
    );
    Some(Finding::new(Code::OutboundTlsOff, id, message))
}

fn demands_ocsp(id: &ServerId, transport: &Transport) -> Option<Finding> {
    let hosts = value(&transport.options, "hosts_require_ocsp");
    let name = &transport.name;
    (!hosts.is_empty()).then(|| {
        let message = format!(
            "the transport {name} has hosts_require_ocsp = {hosts}, and mail to hosts with a \
             certificate of Let's Encrypt is deferred for ever; expected none; take the option \
             out of the transport"
        );
        Finding::new(Code::OcspLeftover, id, message)
    })
}

fn stapled(id: &ServerId, main: &BTreeMap<String, String>) -> Option<Finding> {
    let file = value(main, "tls_ocsp_file");
    (!file.is_empty()).then(|| {
        let message = format!(
            "tls_ocsp_file is {file}: a stapled response that Let's Encrypt no longer makes, and \
             that fails clients once it has expired; expected none; take the option out of \
             Exim's configuration and reload"
        );
        Finding::new(Code::OcspLeftover, id, message)
    })
}

fn protocols(id: &ServerId, main: &BTreeMap<String, String>) -> Option<Finding> {
    let (openssl, ciphers) = ("openssl_options", "tls_require_ciphers");
    let (name, weak, expected) = of_openssl(value(main, openssl))
        .map(|weak| (openssl, weak, "+no_sslv2 +no_sslv3 +no_tlsv1 +no_tlsv1_1"))
        .or_else(|| {
            let weak = of_gnutls(value(main, ciphers))?;
            Some((ciphers, weak, "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"))
        })?;
    let (found, said) = (value(main, name), weak.said());
    let message = format!(
        "{name} is {found}, which {said}; expected `{name} = {expected}` in the main part of \
         Exim's configuration"
    );
    Some(Finding::new(Code::OldProtocolAllowed, id, message).at(weak.level()))
}

fn value<'a>(options: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    options.get(name).map_or("", |value| value.as_str())
}

/// A list is separated by colons; several certificates are (RSA and ECDSA).
fn paths(text: &str) -> impl Iterator<Item = &str> {
    // What is expanded is no path, and its braces hold colons of their own.
    let fixed = if text.contains('$') { "" } else { text };
    fixed.split(':').map(str::trim)
}

fn is_everybody(hosts: &str) -> bool {
    let items: Vec<&str> = hosts.split([':', ';', ' ']).filter(|item| !item.is_empty()).collect();
    let all = ["*", "0.0.0.0/0"];
    items.first().is_some_and(|item| all.contains(item))
}

#[cfg(test)]
mod tests {
    use super::{exim, exim_files, transports, values};
    use crate::servers::ServerId;

    const TRANSPORTS: &str = "
remote_smtp transport:
no_body_only
driver = smtp
hosts =
hosts_avoid_tls =
hosts_require_ocsp =
protocol = smtp
tls_certificate =

amavis transport:
driver = smtp
hosts = 127.0.0.1
hosts_avoid_tls = *

local_delivery transport:
driver = appendfile
tls_certificate = /x
";

    fn told(main: &str, from: &str, to: &str) -> Vec<String> {
        let text = TRANSPORTS.replacen(from, to, 1);
        let id = ServerId("exim".to_owned());
        let found = exim(&id, &values(main), &transports(&text));
        found.iter().map(|f| format!("{} {}: {}", f.level.mark(), f.code, f.message)).collect()
    }

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        for (main, from, to) in [
            ("tls_ocsp_file =\nopenssl_options =\ntls_require_ciphers =", "", ""),
            ("", "hosts_avoid_tls =", "hosts_avoid_tls = 192.0.2.9 : *.old.example"),
            ("", "hosts_avoid_tls =", "hosts_avoid_tls = !*"),
            ("", "hosts =\nhosts_avoid_tls =", "hosts = localhost:x\nhosts_avoid_tls = *"),
            ("", "protocol = smtp", "protocol = lmtp\nhosts_avoid_tls = *"),
            ("openssl_options = +no_sslv3 +no_tlsv1 +no_tlsv1_1", "", ""),
            ("tls_require_ciphers = HIGH:!aNULL", "", ""),
        ] {
            assert_eq!(told(main, from, to), [""; 0], "{main} {to}");
        }
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_with_its_cure() {
        for (main, from, to, expected) in [
            (
                "",
                "hosts_avoid_tls =",
                "hosts_avoid_tls = *",
                "warn outbound-tls-off: the transport remote_smtp has hosts_avoid_tls = *: mail \
                 to others leaves in the clear, and Workspace domains that demand TLS reject it; \
                 expected none; take the option out of the transport (on Debian: the macro \
                 REMOTE_SMTP_HOSTS_AVOID_TLS)",
            ),
            (
                "",
                "hosts_require_ocsp =",
                "hosts_require_ocsp = *",
                "warn ocsp-leftover: the transport remote_smtp has hosts_require_ocsp = *, and \
                 mail to hosts with a certificate of Let's Encrypt is deferred for ever; \
                 expected none; take the option out of the transport",
            ),
            (
                "tls_ocsp_file = /etc/exim4/ocsp.der",
                "",
                "",
                "warn ocsp-leftover: tls_ocsp_file is /etc/exim4/ocsp.der: a stapled response \
                 that Let's Encrypt no longer makes, and that fails clients once it has expired; \
                 expected none; take the option out of Exim's configuration and reload",
            ),
            (
                "openssl_options = -no_sslv3",
                "",
                "",
                "warn old-protocol-allowed: openssl_options is -no_sslv3, which allows SSLv3; \
                 expected `openssl_options = +no_sslv2 +no_sslv3 +no_tlsv1 +no_tlsv1_1` in the \
                 main part of Exim's configuration",
            ),
            (
                "tls_require_ciphers = NORMAL:-VERS-TLS1.0",
                "",
                "",
                "note old-protocol-allowed: tls_require_ciphers is NORMAL:-VERS-TLS1.0, which \
                 allows TLSv1.1; expected `tls_require_ciphers = \
                 NORMAL:-VERS-TLS1.0:-VERS-TLS1.1` in the main part of Exim's configuration",
            ),
        ] {
            assert_eq!(told(main, from, to), [expected], "{main} {to}");
        }
    }

    #[test]
    fn only_fixed_paths_of_what_speaks_with_strangers_are_named() {
        let text = TRANSPORTS.replacen("tls_certificate =", "tls_certificate = /c.pem", 1);
        let main = "tls_certificate = /rsa.pem : /ec.pem\ntls_privatekey = ${if exists{/a:/b}{/c}}";
        let all = exim_files(&values(main), &transports(&text));
        let shown: Vec<String> = all
            .iter()
            .map(|n| format!("{}: {} {:?}", n.setting, n.path.display(), n.side))
            .collect();
        assert_eq!(
            shown,
            [
                "tls_certificate: /rsa.pem Server",
                "tls_certificate: /ec.pem Server",
                "tls_certificate of the transport remote_smtp: /c.pem Client",
            ]
        );
    }
}
