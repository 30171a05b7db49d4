//! Servers that behave otherwise than a client expects, without meaning harm.

use std::time::Duration;

use mailcert::model::{Service, TlsMode};
use rustls::version::{TLS12, TLS13};

use super::mail::{Mail, Point};
use super::mode::{At, Kind, Mode};
use super::pki::Pki;
use super::tls::{Demand, Tls};
use super::trap::Trap;

/// Exim's words.
const NO_HEADER: &str = "503 Command refused, required Proxy negotiation failed\r\n";

fn odd(name: &str, about: &'static str) -> Mode {
    Mode::new(Kind::Dialogue, name, about)
}

/// The table.
pub(crate) fn modes(pki: &Pki) -> Vec<Mode> {
    let mut modes = refusals(pki);
    modes.extend(before_tls(pki));
    modes.extend(authentication(pki));
    modes.extend(other_ways(pki));
    modes.extend(closes(pki));
    modes.extend(client_certificates(pki));
    modes.extend(nowhere(pki));
    modes
}

fn refusals(pki: &Pki) -> Vec<Mode> {
    let greets = |mode: Mode, greeting: &'static str| {
        mode.good(pki).but(|mail| mail.at(Point::Greeting, Trap::Last(greeting.into())))
    };
    vec![
        greets(odd("greeting-421", "too many connections"), "421 4.3.2 too many connections\r\n")
            .unknown(&["temporary-refusal"]),
        greets(odd("greeting-450", "a greylist"), "450 4.7.1 come back later\r\n")
            .unknown(&["temporary-refusal"]),
        greets(odd("greeting-554", "no mail here"), "554 5.7.1 no SMTP service here\r\n")
            .refused(&["greeting-refused"]),
        greets(
            odd("greeting-554-lines", "the same in three lines"),
            "554-mx.farm.test\r\n554-your address is listed\r\n554 5.7.1 go away\r\n",
        )
        .refused(&["greeting-refused"]),
        greets(odd("imap-bye", "IMAP says BYE").over(Service::Imap), "* BYE not today\r\n")
            .refused(&["greeting-refused"]),
        greets(
            odd("imap-unavailable", "IMAP says BYE for now").over(Service::Imap),
            "* BYE [UNAVAILABLE] overloaded\r\n",
        )
        .unknown(&["temporary-refusal"]),
        greets(odd("pop3-err", "POP3 refuses").over(Service::Pop3), "-ERR not today\r\n")
            .refused(&["greeting-refused"]),
        greets(odd("sieve-bye", "ManageSieve refuses").over(Service::Sieve), "BYE \"no\"\r\n")
            .refused(&["greeting-refused"]),
        odd("ehlo-421", "shuts down at EHLO")
            .good(pki)
            .but(|mail| mail.at(Point::Offers, Trap::Last(b"421 4.3.2 shutting down\r\n".into())))
            .unknown(&["temporary-refusal"]),
        odd("starttls-421", "shuts down at STARTTLS")
            .good(pki)
            .but(|mail| mail.at(Point::GoAhead, Trap::Last(b"421 4.3.2 shutting down\r\n".into())))
            .unknown(&["temporary-refusal"]),
    ]
}

fn before_tls(pki: &Pki) -> Vec<Mode> {
    let offered = |mode: Mode, reply: &'static str| {
        mode.good(pki).but(|mail| mail.says("STARTTLS", reply)).refused(&["starttls-refused"])
    };
    let without = |name, service: Service, offers: &[&str]| {
        odd(name, "TLS is not offered")
            .over(service)
            .good(pki)
            .but(|mail| mail.offers(offers))
            .refused(&["no-starttls"])
    };
    let ahead = "220 2.0.0 go ahead\r\n500 5.5.2 unknown command\r\n";
    let twice = "220 2.0.0 go ahead\r\n250 2.0.0 Ok\r\n";
    vec![
        without("no-starttls", Service::Smtp, &["PIPELINING", "SIZE 1000"]),
        without("no-starttls-587", Service::Submission, &["AUTH PLAIN LOGIN"])
            .may(&["auth-before-tls"]),
        without("no-starttls-imap", Service::Imap, &["IMAP4rev1", "AUTH=PLAIN"]),
        without("no-starttls-pop3", Service::Pop3, &["UIDL", "USER"]),
        without("no-starttls-sieve", Service::Sieve, &["\"IMPLEMENTATION\" \"farm\""]),
        without("starttls-in-a-word", Service::Smtp, &["X-NO-STARTTLS", "SIZE STARTTLS"]),
        odd("ehlo-refused", "EHLO is refused, HELO taken: no STARTTLS then")
            .good(pki)
            .but(|mail| mail.says("EHLO", "502 5.5.2 what is that\r\n"))
            .refused(&["no-starttls"]),
        offered(
            odd("starttls-454", "its certificate is broken"),
            "454 4.7.0 TLS not available due to local problem\r\n",
        ),
        offered(odd("starttls-502", "offered, and unknown when asked for"), "502 5.5.1 no\r\n"),
        offered(odd("imap-starttls-no", "IMAP refuses it").over(Service::Imap), "{tag} NO no\r\n"),
        offered(odd("pop3-stls-err", "POP3 offers TLS and refuses it").over(Service::Pop3), "")
            .but(|mail| mail.says("STLS", "-ERR no key\r\n")),
        odd("plain-after-go-ahead", "goes on in plain text behind the go-ahead")
            .good(pki)
            .but(|mail| mail.at(Point::GoAhead, Trap::Stuck(ahead.into())))
            .refused(&["not-tls"]),
        odd("reply-after-go-ahead", "a reply behind the go-ahead, then TLS")
            .good(pki)
            .but(|mail| mail.says("STARTTLS", twice))
            .refused(&["not-tls"]),
        odd("plain-for-hello", "answers the ClientHello in plain text")
            .good(pki)
            .but(|mail| mail.at(Point::Hello, Trap::Last(b"500 5.5.2 unknown\r\n".into())))
            .refused(&["not-tls"]),
        odd("injection", "obeys inside TLS what came before it (CVE-2011-0411)")
            .good(pki)
            .but(Mail::keeps_plain)
            .warns(&["starttls-injection"]),
        odd("injection-587", "the same at port 587")
            .over(Service::Submission)
            .good(pki)
            .but(Mail::keeps_plain)
            .warns(&["starttls-injection"]),
    ]
}

/// What Gmail needs at submission ports.
fn authentication(pki: &Pki) -> Vec<Mode> {
    let submission = |name, about| odd(name, about).over(Service::Submission).good(pki);
    let submissions = |name, about| odd(name, about).over(Service::Submissions).good(pki);
    vec![
        submission("auth-before-tls", "AUTH is offered before TLS")
            .but(|mail| mail.offers(&["STARTTLS", "AUTH PLAIN LOGIN"]))
            .warns(&["auth-before-tls"]),
        submission("no-auth", "no AUTH inside TLS")
            .but(|mail| mail.offers_inside(&["SIZE 1000"]))
            .refused(&["no-auth-offered"]),
        submission("auth-xoauth2-alone", "only AUTH XOAUTH2")
            .but(|mail| mail.offers_inside(&["AUTH XOAUTH2"]))
            .refused(&["no-auth-offered"]),
        submission("auth-cram-alone", "only AUTH CRAM-MD5")
            .but(|mail| mail.offers_inside(&["AUTH CRAM-MD5 DIGEST-MD5"]))
            .refused(&["no-auth-offered"]),
        submissions("no-auth-465", "no AUTH at port 465")
            .but(|mail| mail.offers_inside(&["SIZE 1000"]))
            .refused(&["no-auth-offered"]),
        submission("auth-before-tls-alone", "AUTH before TLS and not inside it")
            .but(|mail| {
                mail.offers(&["STARTTLS", "AUTH PLAIN LOGIN"]).offers_inside(&["SIZE 1000"])
            })
            .refused(&["no-auth-offered", "auth-before-tls"]),
    ]
}

/// TLS at once where it is to be asked for, and the other way round; a load balancer's listener.
fn other_ways(pki: &Pki) -> Vec<Mode> {
    let other = |mode: Mode| {
        let mode_of_tls = match mode.service.tls_mode() {
            TlsMode::Starttls => TlsMode::Implicit,
            TlsMode::Implicit => TlsMode::Starttls,
        };
        mode.good(pki).but(|mail| mail.in_mode(mode_of_tls))
    };
    vec![
        // Nobody may talk first at these two, so it cannot be found out.
        other(odd("implicit-on-25", "TLS at once at port 25")).unknown(&["timeout"]),
        other(odd("implicit-on-587", "TLS at once at port 587").over(Service::Submission))
            .unknown(&["timeout"]),
        other(odd("implicit-on-2525", "TLS at once at port 2525").port(2525))
            .warns(&["implicit-tls-expected"]),
        other(odd("implicit-on-143", "TLS at once at port 143").over(Service::Imap))
            .warns(&["implicit-tls-expected"]),
        other(odd("starttls-on-465", "STARTTLS at port 465").over(Service::Submissions))
            .refused(&["not-tls"]),
        other(odd("starttls-on-993", "STARTTLS at port 993").over(Service::Imaps))
            .refused(&["not-tls"]),
        odd("proxy", "Postfix without its PROXY header: nothing, after 5 s 421")
            .good(pki)
            .but(Mail::behind_proxy)
            .unknown(&["proxy-protocol-expected"]),
        odd("proxy-587", "the same at port 587")
            .over(Service::Submission)
            .good(pki)
            .but(Mail::behind_proxy)
            .unknown(&["proxy-protocol-expected"]),
        odd("proxy-exim", "Exim without its PROXY header: it greets and refuses EHLO")
            .good(pki)
            .but(|mail| mail.says("EHLO", NO_HEADER).says("HELO", NO_HEADER))
            .unknown(&["proxy-protocol-expected"]),
        odd("late-421", "too many connections, after six seconds")
            .good(pki)
            .but(|mail| {
                let busy = Trap::Last(b"421 4.7.0 too many connections\r\n".into());
                mail.greets_after(Duration::from_secs(6)).at(Point::Greeting, busy)
            })
            .unknown(&["temporary-refusal"]),
    ]
}

fn closes(pki: &Pki) -> Vec<Mode> {
    let closed = |name, about, point, trap| {
        odd(name, about).good(pki).but(|mail| mail.at(point, trap)).refused(&["connection-closed"])
    };
    let alert = |name, about, number: u8| {
        odd(name, about)
            .good(pki)
            .but(|mail| mail.at(Point::Hello, Trap::Last(vec![21, 3, 3, 0, 2, 2, number])))
            .refused(&["tls-alert"])
    };
    let half = Trap::Last(b"220-half a greet".into());
    vec![
        closed("close-at-once", "hangs up before its greeting", Point::Greeting, Trap::Close),
        closed("close-in-greeting", "hangs up in its greeting", Point::Greeting, half),
        closed("close-after-greeting", "hangs up at EHLO", Point::Offers, Trap::Close),
        closed("close-at-starttls", "hangs up at STARTTLS", Point::GoAhead, Trap::Close),
        closed("close-at-hello", "hangs up at the ClientHello", Point::Hello, Trap::Close),
        closed("close-inside", "hangs up right behind the handshake", Point::Inside, Trap::Close),
        odd("close-at-once-993", "hangs up at the ClientHello, at port 993")
            .over(Service::Imaps)
            .good(pki)
            .but(|mail| mail.at(Point::Hello, Trap::Close))
            .refused(&["connection-closed"]),
        alert("alert-unrecognised-name", "the alert that it does not know the name", 112),
        alert("alert-internal-error", "the alert that it has failed", 80),
        alert("alert-handshake-failure", "the alert that nothing is in common", 40),
    ]
}

fn client_certificates(pki: &Pki) -> Vec<Mode> {
    let demands = |mode: Mode, versions| {
        let shown = pki.good(&mode.host);
        mode.tls(Tls::demanding(pki, &shown, versions, Demand::Required))
            .refused(&["client-cert-required"])
    };
    vec![
        demands(odd("client-cert-tls12", "a client's certificate demanded in TLS 1.2"), &[&TLS12]),
        demands(odd("client-cert-tls13", "the same in TLS 1.3: after the handshake"), &[&TLS13]),
        demands(
            odd("client-cert-465", "the same at port 465").over(Service::Submissions),
            &[&TLS13],
        ),
        demands(odd("client-cert-993", "the same at port 993").over(Service::Imaps), &[&TLS13]),
    ]
}

/// Names and addresses without a server.
fn nowhere(pki: &Pki) -> Vec<Mode> {
    // A broadcast address: the kernel refuses to connect to it, and nothing leaves the machine.
    let unreachable = std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 255, 255, 255));
    vec![
        odd("nobody", "the port is closed").without(At::Nobody).refused(&["connection-refused"]),
        odd("nobody-993", "the port is closed")
            .over(Service::Imaps)
            .without(At::Nobody)
            .refused(&["connection-refused"]),
        odd("unreachable", "there is no way to the address")
            .without(At::Elsewhere(unreachable))
            .unknown(&["unreachable"]),
        odd("no-such-host", "the name does not exist").zone("").unknown(&["no-such-host"]),
        odd("no-address", "the name has no address")
            .zone("{host} MX 0 .")
            .unknown(&["no-such-host"]),
        odd("dns-servfail", "the name's DNS fails")
            .zone("{host} SERVFAIL")
            .unknown(&["dns-failure"]),
        odd("implicit-silent", "takes connections at port 465 and says nothing")
            .over(Service::Submissions)
            .good(pki)
            .but(|mail| mail.at(Point::Hello, Trap::Silence))
            .unknown(&["timeout"]),
    ]
}
