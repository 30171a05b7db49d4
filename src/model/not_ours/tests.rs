//! Each sentence once.

use expect_test::{Expect, expect};

use super::{NotOurs, again_at};
use crate::model::{AnsweredFrom, Hostname, Timestamp};

fn host() -> Hostname {
    Hostname::parse("mx.a.test").unwrap()
}

fn says(one: &NotOurs<'_>, expected: &Expect) {
    assert!(NotOurs::holds(one.code()), "{one:?}");
    expected.assert_eq(&one.to_string());
}

fn elsewhere(found: &[&str], machine: &[&str], expected: &Expect) {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let (found, machine): (Vec<_>, Vec<_>) = (parse(found), parse(machine));
    let host = host();
    let one = NotOurs::PointsElsewhere { host: &host, found: &found, machine: &machine };
    says(&one, expected);
}

#[test]
fn an_address_elsewhere_names_the_record_to_publish() {
    elsewhere(
        &["198.51.100.9"],
        &["2001:db8::7", "192.0.2.7"],
        &expect![
            "mx.a.test points to 198.51.100.9, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `mx.a.test. A 192.0.2.7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses"
        ],
    );
    elsewhere(
        &["2001:db8::9"],
        &["2001:db8::7", "192.0.2.7"],
        &expect![
            "mx.a.test points to 2001:db8::9, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `mx.a.test. AAAA 2001:db8::7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses"
        ],
    );
    elsewhere(
        &["198.51.100.9"],
        &[],
        &expect![
            "mx.a.test points to 198.51.100.9, and none of these is this machine's: the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses"
        ],
    );
}

#[test]
fn another_server_is_named_by_its_header_and_a_proxy_by_its_owner() {
    let other = |here, server| NotOurs::OtherServer {
        from: &AnsweredFrom::Port,
        at: "192.0.2.9:80".parse().unwrap(),
        here,
        status: "404 Not Found",
        server,
    };
    says(
        &other(false, Some("cloudflare")),
        &expect![[
            r#"a proxy of Cloudflare (Server: cloudflare) answers at 192.0.2.9:80 with 404 Not Found instead of the token, and the CA would get the same: whoever keeps the zone has to take the proxy away from this name ("DNS only"), which its mail needs as well, since no such proxy passes SMTP on"#
        ]],
    );
    says(
        &other(false, Some("nginx/1.2\u{1b}[2J")),
        &expect![
            "another server (Server: nginx/1.2?[2J) answers at 192.0.2.9:80 with 404 Not Found instead of the token, and the CA would get the same: whoever keeps that server has to pass /.well-known/acme-challenge/ on to this machine, or whoever keeps the zone has to point the name here"
        ],
    );
    says(
        &other(true, None),
        &expect![
            "another server answers at 192.0.2.9:80 with 404 Not Found instead of the token, and the CA would get the same: whoever keeps that server, on this machine, has to serve /.well-known/acme-challenge/ from a directory, which becomes webroot in [challenge.http-01]"
        ],
    );
}

#[test]
fn a_closed_port_is_for_who_keeps_the_firewall() {
    let (host, at) = (host(), "192.0.2.7:25".parse().unwrap());
    says(
        &NotOurs::PortSilent { host: &host, at, server: "postfix" },
        &expect![
            "mx.a.test: postfix listens and nobody gets an answer at 192.0.2.7:25: whoever keeps the firewall on or before this machine has to let TCP port 25 in"
        ],
    );
    let said = "Timeout during connect";
    says(
        &NotOurs::CaLockedOut { host: &host, said },
        &expect![
            "mx.a.test: the CA refused it: Timeout during connect: whoever keeps the firewall or router before this machine has to let TCP port 80 in from everywhere, since the CA asks from several places"
        ],
    );
}

#[test]
fn caa_records_are_for_who_keeps_the_zone() {
    let (name, at) = ("mx.a.test", "a.test");
    let why = "(`0 issue \";\"`) does not name ca.test";
    let record = "a.test. CAA 0 issue \"ca.test\"";
    says(
        &NotOurs::CaaForbids { name, at, why, record },
        &expect![[
            r#"mx.a.test: the CAA set at a.test (`0 issue ";"`) does not name ca.test: whoever keeps that zone has to publish `a.test. CAA 0 issue "ca.test"`"#
        ]],
    );
    says(
        &NotOurs::CaaUnknown { name, at, record: "128 x \"\u{1b}\"" },
        &expect![[
            r#"mx.a.test: the CAA record `128 x "?"` at a.test is critical and no CA knows its tag (RFC 8659 section 4.5): whoever keeps that zone has to remove it"#
        ]],
    );
}

#[test]
fn a_ca_that_is_down_or_has_had_enough_is_waited_for() {
    let (directory, why) = ("https://ca.test/dir", "cannot connect to ca.test:443");
    says(
        &NotOurs::CaDown { directory, why: "503 Service Unavailable", answered: true },
        &expect![
            "the CA at https://ca.test/dir cannot be asked: 503 Service Unavailable: its operator has to bring it back; `mailcert run` tries again by itself"
        ],
    );
    says(
        &NotOurs::CaDown { directory, why, answered: false },
        &expect![
            "the CA at https://ca.test/dir cannot be asked: cannot connect to ca.test:443: either its operator has to bring it back, or whoever keeps the firewall has to let this machine reach it; `mailcert run` tries again by itself"
        ],
    );
    let one = NotOurs::RateLimited { said: "too many certificates" };
    says(&one, &expect!["the CA's limit is reached: too many certificates"]);
    let until = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
    expect!["; it is for nobody to do anything but wait: `mailcert run` tries again at 2026-01-02T03:04:05Z"].assert_eq(&again_at(until));
}
