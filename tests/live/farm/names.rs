//! Certificates for another name, and servers that show another certificate to others.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{SanType, string::Ia5String};

use super::mode::{Kind, Mode};
use super::pki::{Pki, called, dated, leaf, self_signed, signed};
use super::tls::{Shelf, Tls};

fn wrong(name: &str, about: &'static str) -> Mode {
    Mode::new(Kind::Certificate, name, about)
}

/// The table.
pub(crate) fn modes(pki: &Pki) -> Vec<Mode> {
    let mut modes = names(pki);
    modes.extend(others(pki));
    modes.extend(hidden(pki));
    modes
}

fn names(pki: &Pki) -> Vec<Mode> {
    let for_ = |names: &[&str]| signed(leaf(names), &pki.middle);
    let mismatch =
        |mode: Mode, names: &[&str]| mode.shows(|_| for_(names)).refused(&["name-mismatch"]);
    vec![
        mismatch(wrong("wrong-name", "for the website"), &["www.farm.test", "farm.test"]),
        mismatch(
            wrong("mail-domain-alone", "for the mail domain, not for its MX"),
            &["mail-domain-alone.farm.test"],
        ),
        wrong("cn-alone", "the right CN, no subjectAltName")
            .shows(|host| {
                let mut params = leaf(&[]);
                params.distinguished_name = called(host);
                signed(params, &pki.middle)
            })
            .refused(&["no-san"]),
        wrong("cn-right-san-other", "the right CN, the subjectAltName of another")
            .shows(|host| {
                let mut params = leaf(&["www.farm.test"]);
                params.distinguished_name = called(host);
                signed(params, &pki.middle)
            })
            .refused(&["name-mismatch"]),
        mismatch(
            wrong("wildcard-two-labels", "*.X for a.b.X").host("a.b.wild2.farm.test"),
            &["*.wild2.farm.test"],
        ),
        mismatch(
            wrong("wildcard-apex", "*.X for X").host("wild3.farm.test"),
            &["*.wild3.farm.test"],
        ),
        mismatch(
            wrong("wildcard-partial", "mx*.X for mx1.X").host("mx1.wild4.farm.test"),
            &["mx*.wild4.farm.test"],
        ),
        mismatch(
            wrong("wildcard-tld", "*.test for farm-tld.test").host("farm-tld.test"),
            &["*.test"],
        ),
        mismatch(
            wrong("wildcard-inner", "a.*.X").host("a.b.wild5.farm.test"),
            &["a.*.wild5.farm.test"],
        ),
        wrong("address-alone", "for an IP address")
            .shows(|_| {
                let mut params = leaf(&[]);
                let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
                params.subject_alt_names = vec![SanType::IpAddress(address)];
                signed(params, &pki.middle)
            })
            .refused(&["name-mismatch"]),
    ]
}

/// Who asks without the host's name, or for another one; who comes a second time.
fn others(pki: &Pki) -> Vec<Mode> {
    let shelf = |mode: Mode, make: &dyn Fn(&str) -> Shelf| {
        let shelf = make(&mode.host);
        mode.tls(Tls::by_name(shelf))
    };
    let of = |mode, make: &dyn Fn(&str) -> Shelf| shelf(mode, make);
    let good = |host: &str| pki.good(host);
    let other = pki.good("www.farm.test");
    let snake_oil = self_signed(&leaf(&["localhost.localdomain"]));
    let ended = |host: &str| signed(dated(leaf(&[host]), -100, -10), &pki.middle);
    let turns = |mode: Mode, first_good: bool| {
        let mut shown = [pki.good(&mode.host), ended(&mode.host)];
        if !first_good {
            shown.reverse();
        }
        mode.tls(Tls::turns(&shown))
    };
    vec![
        of(wrong("sni-good-default-wrong", "without SNI: another host's certificate"), &|host| {
            Shelf::of(host, Some(&good(host)), Some(&other), Some(&other))
        })
        .warns(&["no-sni-differs"]),
        of(wrong("sni-good-default-snake-oil", "without SNI: a self-signed one"), &|host| {
            Shelf::of(host, Some(&good(host)), Some(&snake_oil), Some(&snake_oil))
        })
        .warns(&["no-sni-differs"]),
        of(
            wrong("sni-wrong-default-good", "with SNI another's, without it the right one"),
            &|host| Shelf::of(host, Some(&other), Some(&good(host)), Some(&other)),
        )
        .refused(&["name-mismatch"]),
        of(wrong("no-sni-alert", "an alert for clients without SNI"), &|host| {
            let good = good(host);
            Shelf::of(host, Some(&good), None, Some(&good))
        })
        .warns(&["no-sni-fails"]),
        of(wrong("sni-alert", "an alert for this name, a certificate for others"), &|host| {
            Shelf::of(host, None, Some(&other), Some(&other))
        })
        .refused(&["tls-alert"]),
        of(wrong("unknown-sni-alert", "an alert for names it does not know"), &|host| {
            let good = good(host);
            Shelf::of(host, Some(&good), Some(&good), None)
        }),
        of(wrong("unknown-sni-alert-strict", "the same, under the strict profile"), &|host| {
            let good = good(host);
            Shelf::of(host, Some(&good), Some(&good), None)
        })
        .with(&["--profile", "strict"])
        .refused(&["unknown-sni-fails"]),
        turns(wrong("flapping", "every second handshake shows an ended certificate"), true)
            .refused(&["flapping"])
            .may(&["expired"]),
        turns(wrong("flapping-bad-first", "the same, beginning with the ended one"), false)
            .refused(&["flapping", "expired"]),
        wrong("addresses-differ", "right at one address, ended at the other")
            .good(pki)
            .shows(ended)
            .refused(&["expired", "addresses-differ"]),
        wrong("one-address-closed", "right at one address, nobody at the other")
            .good(pki)
            .without(super::mode::At::Nobody)
            .refused(&["connection-refused"])
            .may(&["addresses-differ"]),
    ]
}

/// Names that would move the cursor of a terminal.
fn hidden(pki: &Pki) -> Vec<Mode> {
    let evil = |text: &str| SanType::DnsName(Ia5String::try_from(text).expect("seven bits"));
    vec![
        wrong("escapes-in-names", "names with escapes, NUL and line ends beside the right one")
            .shows(|host| {
                let mut params = leaf(&[host]);
                params.subject_alt_names.push(evil("\x1b[2J\x1b]0;owned\x07.farm.test"));
                params.subject_alt_names.push(evil("a\0b\r\nc.farm.test"));
                signed(params, &pki.middle)
            }),
        wrong("escapes-in-wrong-names", "only names with escapes")
            .shows(|_| {
                let mut params = leaf(&[]);
                params.subject_alt_names = vec![evil("\x1b[31mmx\r\nFAIL.farm.test")];
                params.distinguished_name = called("\u{202e}tset.mraf\u{1b}[2J\u{200b}");
                signed(params, &pki.middle)
            })
            .refused(&["name-mismatch"]),
        wrong("nul-in-name", "the right name, a NUL, another domain")
            .shows(|host| {
                let mut params = leaf(&[]);
                params.subject_alt_names = vec![evil(&format!("{host}\0.evil.test"))];
                signed(params, &pki.middle)
            })
            .refused(&["name-mismatch"]),
    ]
}
