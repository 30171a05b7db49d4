//! Servers with nothing wrong: every one has to be accepted without a word.

use std::time::Duration;

use mailcert::model::Service;
use rcgen::{
    ExtendedKeyUsagePurpose, GeneralSubtree, KeyPair, NameConstraints, PKCS_ECDSA_P384_SHA384,
};
use rustls::version::{TLS12, TLS13};

use super::mode::{At, Kind, Mode};
use super::openssl::Peer;
use super::pki::{Pki, ca, dated, leaf, root, signed, signed_for, under};
use super::tls::{Demand, Tls};

fn good(name: &str, about: &'static str) -> Mode {
    Mode::new(Kind::Good, name, about)
}

/// The table.
pub(crate) fn modes(pki: &Pki) -> Vec<Mode> {
    let mut modes = keys(pki);
    modes.extend(certificates(pki));
    modes.extend(services(pki));
    modes.extend(manners(pki));
    modes
}

fn keys(pki: &Pki) -> Vec<Mode> {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    let rsa =
        |host: &str, at: usize| signed_for(leaf(&[host]), &pki.rsa[at].pair(), &pki.rsa_middle);
    let by_openssl = good("openssl", "OpenSSL with its defaults");
    let shown = pki.good(&by_openssl.host);
    let peer = Peer::new(pki, "good", &shown, &[]);
    vec![
        good("p256", "ECDSA P-256").good(pki),
        good("p384", "ECDSA P-384").shows(|host| signed_for(leaf(&[host]), &p384, &pki.middle)),
        good("rsa2048", "RSA of 2048 bits").shows(|host| rsa(host, 0)),
        good("rsa4096", "RSA of 4096 bits").shows(|host| rsa(host, 1)),
        {
            let mode = good("tls12-only", "TLS 1.2 alone");
            let tls = Tls::only(&pki.good(&mode.host), &[&TLS12]);
            mode.tls(tls)
        },
        {
            let mode = good("tls12-only-rsa", "TLS 1.2 alone, with an RSA key");
            let tls = Tls::only(&rsa(&mode.host, 0), &[&TLS12]);
            mode.tls(tls)
        },
        {
            let mode = good("tls13-only", "TLS 1.3 alone");
            let tls = Tls::only(&pki.good(&mode.host), &[&TLS13]);
            mode.tls(tls)
        },
        by_openssl.tls(Tls::Openssl(peer)),
    ]
}

fn certificates(pki: &Pki) -> Vec<Mode> {
    let ended = root(dated(ca("Farm Root X0"), -4000, -20));
    // The same subject and key as the root that is trusted, signed by the one that has ended.
    let crossed = ca("Farm Root").signed_by(pki.root.key(), &ended).expect("signed");
    let lower = under(ca("Farm CA 1.1"), &pki.middle);
    let mut narrow = ca("Farm CA N");
    narrow.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(super::mode::DOMAIN.to_owned())],
        excluded_subtrees: vec![],
    });
    let narrow = under(narrow, &pki.root);
    let many: Vec<String> = (0..99).map(|n| format!("n{n}.{}", super::mode::DOMAIN)).collect();
    vec![
        good("wildcard", "a wildcard for the host's label")
            .shows(|_| signed(leaf(&["*.wildcard.farm.test"]), &pki.middle)),
        good("idn", "an A-label").host("mx.xn--bcher-kva.farm.test").good(pki),
        good("upper-case", "the name in upper case")
            .shows(|host| signed(leaf(&[&host.to_uppercase()]), &pki.middle)),
        good("many-names", "a hundred names, the right one last").shows(|host| {
            let names: Vec<&str> = many.iter().map(String::as_str).chain([host]).collect();
            signed(leaf(&names), &pki.middle)
        }),
        good("cn-other", "a CN that is another name: only the subjectAltName counts").shows(
            |host| {
                let mut params = leaf(&[host]);
                params.distinguished_name = super::pki::called("www.farm.test");
                signed(params, &pki.middle)
            },
        ),
        good("cross-signed", "the root sent along, cross-signed by one that has ended").shows(
            |host| {
                let mut shown = pki.good(host);
                shown.chain.push(crossed.der().clone());
                shown
            },
        ),
        good("two-intermediates", "a chain of three")
            .shows(|host| signed(leaf(&[host]), &lower).then(&[&pki.middle])),
        good("under-the-root", "signed by the root itself")
            .shows(|host| signed(leaf(&[host]), &pki.root).alone()),
        good("permitted", "an intermediate that may sign this name alone")
            .shows(|host| signed(leaf(&[host]), &narrow)),
        good("no-purpose", "a certificate for any purpose: none is named").shows(|host| {
            let mut params = leaf(&[host]);
            params.extended_key_usages = vec![];
            signed(params, &pki.middle)
        }),
        good("both-purposes", "for servers and for clients").shows(|host| {
            let mut params = leaf(&[host]);
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
            signed(params, &pki.middle)
        }),
        good("short-lived", "a lifetime of six days, four of them left")
            .shows(|host| signed(dated(leaf(&[host]), -2, 4), &pki.middle)),
        good("half-way", "20 of 90 days are left")
            .shows(|host| signed(dated(leaf(&[host]), -70, 20), &pki.middle)),
    ]
}

fn services(pki: &Pki) -> Vec<Mode> {
    let one = |service: Service, about| good(service.as_str(), about).over(service).good(pki);
    vec![
        one(Service::Submission, "port 587, AUTH inside TLS"),
        one(Service::Submissions, "port 465, AUTH"),
        one(Service::Imap, "port 143"),
        one(Service::Imaps, "port 993"),
        one(Service::Pop3, "port 110"),
        one(Service::Pop3s, "port 995"),
        one(Service::Sieve, "port 4190"),
        good("auth-login-alone", "port 587 with AUTH LOGIN and no other")
            .over(Service::Submission)
            .good(pki)
            .but(|mail| mail.offers_inside(&["AUTH LOGIN"])),
        good("auth-among-others", "port 587 with AUTH PLAIN among others, in lower case")
            .over(Service::Submission)
            .good(pki)
            .but(|mail| mail.offers_inside(&["auth CRAM-MD5 XOAUTH2 plain"])),
    ]
}

fn manners(pki: &Pki) -> Vec<Mode> {
    let many: Vec<String> =
        (0..90).map(|n| format!("X-FARM-{n}")).chain(["STARTTLS".into()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("220-{}\r\n220 {{host}} ESMTP\r\n", "x".repeat(2000));
    vec![
        good("in-pieces", "every reply byte by byte").good(pki).but(super::mail::Mail::in_pieces),
        good("in-pieces-imap", "the same over IMAP")
            .over(Service::Imap)
            .good(pki)
            .but(super::mail::Mail::in_pieces),
        good("starttls-lower-case", "250-starttls")
            .good(pki)
            .but(|mail| mail.offers(&["size 1000", "starttls", "8bitmime"])),
        good("slow-banner", "greets after five seconds")
            .good(pki)
            .but(|mail| mail.greets_after(Duration::from_secs(5))),
        good("banner-of-lines", "a greeting of three lines")
            .good(pki)
            .but(|mail| mail.says("GREETING", "220-{host}\r\n220-no spam\r\n220 here\r\n")),
        good("banner-of-2000-bytes", "a line longer than the RFC has it, within the limits")
            .good(pki)
            .but(|mail| mail.says("GREETING", &long)),
        good("banner-bare", "a greeting that is only its code")
            .good(pki)
            .but(|mail| mail.says("GREETING", "220\r\n")),
        good("ehlo-of-92-lines", "many extensions, STARTTLS the last")
            .good(pki)
            .but(|mail| mail.offers(&many)),
        good("quit-unanswered", "hangs up at QUIT without a word")
            .good(pki)
            .but(|mail| mail.says_inside("QUIT", "")),
        good("banner-with-escapes", "a greeting that would clear the screen")
            .good(pki)
            .but(|mail| mail.says("GREETING", "220 {host} \x1b[2J\x1b]0;owned\x07 \u{202e}ok\r\n")),
        {
            let mode = good("client-cert-asked", "asks for a client's certificate, needs none");
            let shown = pki.good(&mode.host);
            mode.tls(Tls::demanding(pki, &shown, rustls::ALL_VERSIONS, Demand::Optional))
        },
        good("two-addresses", "two addresses, each with a right certificate of its own")
            .good(pki)
            .good(pki),
        ipv6(pki),
    ]
}

/// `[::1]` at a port that is free: its usual one may be somebody else's.
fn ipv6(pki: &Pki) -> Mode {
    let mut mode = good("ipv6", "at ::1").good(pki);
    let free = std::net::TcpListener::bind("[::1]:0").and_then(|listener| listener.local_addr());
    match free {
        Ok(address) => mode.port = address.port(),
        Err(_) => mode.at = vec![At::Nobody],
    }
    mode
}
