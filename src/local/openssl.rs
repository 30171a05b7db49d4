//! What an installed `openssl` is asked, and what its words mean. Pure.
//!
//! Its exit status and its "Verify return code: 0" are worth nothing: both come after handshakes
//! that failed, too. What counts is "Verification: OK" together with "Verified peername:".

use std::net::SocketAddr;

use serde::Serialize;

use crate::model::{Hostname, Service, Tls, TlsMode};
use crate::verify::visible;

/// What `openssl` says. Field names are the JSON interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpensslRow {
    /// Its version, such as `OpenSSL 3.0.19`; `None` where there is none.
    pub version: Option<String>,
    /// Whether it accepts the server; `None` where that could not be told.
    pub accepts: Option<bool>,
    /// The session it agreed on, by OpenSSL's own names.
    pub tls: Option<Tls>,
    /// The number of its verify error (openssl-verification-options(1)).
    pub verify_error: Option<u32>,
    /// Why it refuses, or why nobody could ask it.
    pub why: Option<String>,
}

/// The question of one endpoint.
pub(super) fn question(to: SocketAddr, service: Service, host: &Hostname) -> Vec<String> {
    let (peer, host) = (to.to_string(), host.to_string());
    let mut argv = vec!["openssl", "s_client", "-connect", &peer, "-servername", &host];
    if service.tls_mode() == TlsMode::Starttls {
        argv.push("-starttls");
        argv.push(match service {
            Service::Imap => "imap",
            Service::Pop3 => "pop3",
            Service::Sieve => "sieve",
            _ => "smtp",
        });
    }
    argv.extend(["-verify_return_error", "-verify_hostname", &host, "-brief"]);
    argv.into_iter().map(str::to_owned).collect()
}

/// The version of `openssl version`: its first two words.
pub(super) fn version(said: &str) -> Option<String> {
    let mut words = said.lines().next()?.split_ascii_whitespace();
    let (name, number) = (words.next()?, words.next()?);
    let ours = name.ends_with("SSL") && number.starts_with(|c: char| c.is_ascii_digit());
    ours.then(|| visible(&format!("{name} {number}")))
}

/// The directory of `openssl version -d`: `OPENSSLDIR: "/usr/lib/ssl"`.
pub(super) fn directory(said: &str) -> Option<String> {
    let line = said.lines().find_map(|line| line.strip_prefix("OPENSSLDIR:"))?;
    let path = line.trim().trim_matches('"');
    path.starts_with('/').then(|| path.to_owned())
}

/// What `s_client` said, on both outputs.
pub(super) fn answer(version: Option<String>, said: &str) -> OpensslRow {
    let value = |label: &str| {
        let found = said.lines().find_map(|line| line.trim().strip_prefix(label));
        found.map(|value| visible(value.trim()))
    };
    let tls = match (value("Protocol version:"), value("Ciphersuite:")) {
        (Some(version), Some(cipher)) => Some(Tls { version, cipher }),
        _ => None,
    };
    let row = OpensslRow { version, tls, ..OpensslRow::default() };
    if let Some((number, words)) = verify_error(said) {
        let accepts = Some(false);
        return OpensslRow { accepts, verify_error: Some(number), why: Some(words), ..row };
    }
    let verified = value("Verification:").as_deref() == Some("OK");
    if verified && value("Verified peername:").is_some() && row.tls.is_some() {
        return OpensslRow { accepts: Some(true), ..row };
    }
    if let Some(why) = error(said) {
        // Not having got through is no judgement.
        let refuses = !said.contains("connect:errno=") && !why.contains("connect");
        return OpensslRow { accepts: refuses.then_some(false), why: Some(why), ..row };
    }
    let said = said.lines().map(str::trim).find(|line| !line.is_empty());
    let why = said.map_or_else(|| "it said nothing".to_owned(), visible);
    OpensslRow { why: Some(why), ..row }
}

/// `verify error:num=20:unable to get local issuer certificate`.
fn verify_error(said: &str) -> Option<(u32, String)> {
    let rest = said.lines().find_map(|line| line.trim().strip_prefix("verify error:num="))?;
    let (number, words) = rest.split_once(':')?;
    Some((number.parse().ok()?, visible(words.trim())))
}

/// The reason in `THREAD:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:`, of the first such line.
fn error(said: &str) -> Option<String> {
    let line = said.lines().find_map(|line| line.split_once(":error:"))?.1;
    let reason = line.split(':').nth(3).map(str::trim).filter(|reason| !reason.is_empty())?;
    Some(visible(reason))
}

/// Whether a verify error is about the strength that this machine insists on: CA or leaf key too
/// small, CA digest too weak (X509_V_ERR_EE_KEY_TOO_SMALL and the two behind it).
pub(super) fn is_about_strength(number: u32) -> bool {
    (66..=68).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::{answer, directory, question, version};
    use crate::model::{Hostname, Service};

    const MISSING: &str = "depth=0 CN = mx.test
verify error:num=20:unable to get local issuer certificate
408755FB4F7F0000:error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889:
";
    const GOOD: &str = "CONNECTION ESTABLISHED
Protocol version: TLSv1.3
Ciphersuite: TLS_AES_256_GCM_SHA384
Peer certificate: CN = mx.test
Verification: OK
Verified peername: mx.test
250 STARTTLS
DONE
";
    const TOO_OLD: &str = "4027FB4D767F0000:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:1601:SSL alert number 70\n";
    const OLD_LIBRARY: &str = "139999:error:1425F102:SSL routines:ssl_choose_client_version:unsupported protocol:../ssl/statem/statem_lib.c:1929:\n";
    const REFUSED: &str = "405709643B7F0000:error:8000006F:system library:BIO_connect:Connection refused:../crypto/bio/bio_sock2.c:117:calling connect()
405709643B7F0000:error:10000067:BIO routines:BIO_connect:connect error:../crypto/bio/bio_sock2.c:119:
connect:errno=111
";
    /// What it prints without a handshake, and without a verified name.
    const TRAP: &str = "CONNECTED(00000003)\nno peer certificate available\nVerification: OK\n    Verify return code: 0 (ok)\n";
    const NAMELESS: &str = "Protocol version: TLSv1.3\nCiphersuite: X\nVerification: OK\n";

    #[test]
    fn its_words_are_read_strictly() {
        for (said, accepts, number, why) in [
            (GOOD, Some(true), None, None),
            (MISSING, Some(false), Some(20), Some("unable to get local issuer certificate")),
            (TOO_OLD, Some(false), None, Some("tlsv1 alert protocol version")),
            (OLD_LIBRARY, Some(false), None, Some("unsupported protocol")),
            (REFUSED, None, None, Some("Connection refused")),
            (TRAP, None, None, Some("CONNECTED(00000003)")),
            (NAMELESS, None, None, Some("Protocol version: TLSv1.3")),
            ("", None, None, Some("it said nothing")),
            ("unknown option -brief\x1b[2J\n", None, None, Some("unknown option -brief\\u{1b}[2J")),
        ] {
            let row = answer(None, said);
            assert_eq!((row.accepts, row.verify_error, row.why.as_deref()), (accepts, number, why));
        }
        assert_eq!(answer(None, GOOD).tls.unwrap().version, "TLSv1.3");
    }

    #[test]
    fn its_version_and_directory_are_taken_from_their_lines() {
        for (said, expected) in [
            ("OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19)", Some("OpenSSL 3.0.19")),
            ("LibreSSL 3.3.6\n", Some("LibreSSL 3.3.6")),
            ("Segmentation fault", None),
            ("", None),
        ] {
            assert_eq!(version(said).as_deref(), expected, "{said}");
        }
        assert_eq!(directory("OPENSSLDIR: \"/usr/lib/ssl\"\n").as_deref(), Some("/usr/lib/ssl"));
        assert_eq!(directory("OPENSSLDIR: \"C:\\ssl\"\n"), None);
    }

    #[test]
    fn each_service_is_asked_in_its_own_way() {
        let host = Hostname::parse("mx.test").unwrap();
        for (service, to, expected) in [
            (Service::Submission, "192.0.2.7:587", "-starttls smtp "),
            (Service::Sieve, "[2001:db8::1]:4190", "-starttls sieve "),
            (Service::Imaps, "192.0.2.7:993", ""),
        ] {
            let argv = question(to.parse().unwrap(), service, &host).join(" ");
            let whole = format!(
                "openssl s_client -connect {to} -servername mx.test {expected}\
                 -verify_return_error -verify_hostname mx.test -brief"
            );
            assert_eq!(argv, whole);
        }
    }
}
