//! Servers that mean harm: floods, drips, silence, garbage, tricks.

use mailcert::model::{Service, Verdict};

use super::mail::Point;
use super::mode::{Kind, Mode};
use super::pki::{Pki, Shown, leaf, signed};
use super::trap::Trap;

/// The table, with as many endpoints of each mode as are wanted.
pub(crate) fn modes(pki: &Pki, copies: usize) -> Vec<Mode> {
    let mut all = Vec::new();
    for copy in 1..=copies.max(1) {
        for mode in one_of_each(pki) {
            let name = format!("{}-{copy}", mode.name);
            let host = format!("mx.{name}.{}", super::mode::DOMAIN);
            all.push(if copy == 1 { mode } else { Mode { name, host, ..mode } });
        }
    }
    all
}

fn one_of_each(pki: &Pki) -> Vec<Mode> {
    let shown = pki.good("mx.hostile.farm.test");
    let mut modes = floods(&shown);
    modes.extend(slow(&shown));
    modes.extend(garbage(&shown));
    modes.extend(tricks(&shown));
    modes.extend(certificates(pki));
    modes
}

/// All show one certificate: none is reached, or it does not matter.
fn evil(
    shown: &Shown,
    name: &str,
    about: &'static str,
    service: Service,
    (point, trap): (Point, Trap),
) -> Mode {
    let mode = Mode::new(Kind::Hostile, name, about).over(service);
    mode.shows(|_| shown.clone()).but(|mail| mail.at(point, trap))
}

fn floods(shown: &Shown) -> Vec<Mode> {
    let flood = |name, about, service, point, text: &[u8]| {
        let trap = (point, Trap::Endless(text.to_vec()));
        evil(shown, name, about, service, trap).refused(&["protocol-violation"])
    };
    use Point::{Greeting, Inside, Offers};
    use Service::{Imap, Imaps, Pop3, Sieve, Smtp};
    vec![
        flood("endless-banner", "lines without end", Smtp, Greeting, b"220-welcome\r\n"),
        flood("endless-line", "a line without end", Smtp, Greeting, b"220 welcome "),
        flood("endless-ehlo", "extensions without end", Smtp, Offers, b"250-X-FARM\r\n"),
        flood("endless-ehlo-line", "an extension without end", Smtp, Offers, b"250-X-FARM "),
        flood("endless-imap", "greetings without end", Imap, Offers, b"* CAPABILITY X\r\n"),
        flood("endless-pop3", "capabilities without end", Pop3, Offers, b"+OK\r\nX-FARM\r\n"),
        flood("endless-sieve", "capabilities without end", Sieve, Greeting, b"\"X\" \"y\"\r\n"),
        with_name_wrong(flood(
            "endless-inside",
            "extensions without end inside TLS",
            Smtp,
            Inside,
            b"250-X-FARM\r\n",
        )),
        with_name_wrong(flood(
            "endless-imaps",
            "a line without end inside TLS",
            Imaps,
            Inside,
            b"* OK welcome ",
        )),
        flood("long-line", "a line of 5,000 bytes", Smtp, Greeting, &[b'2'; 5000]),
        flood("zeros", "zero bytes without end", Smtp, Greeting, &[0; 512]),
    ]
}

/// The certificate of all hostile servers is for none of them.
fn with_name_wrong(mut mode: Mode) -> Mode {
    mode.codes.push("name-mismatch");
    mode.verdict = Verdict::Refused;
    mode
}

fn slow(shown: &Shown) -> Vec<Mode> {
    let slow = |name, about, point, trap| {
        evil(shown, name, about, Service::Smtp, (point, trap)).unknown(&["timeout"])
    };
    let record = vec![22, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xfb, 3, 3];
    use Point::{GoAhead, Greeting, Hello, Inside, Offers};
    vec![
        slow("drip-banner", "one byte a second", Greeting, Trap::Drip(b"220-slow\r\n".into())),
        slow("drip-ehlo", "one byte a second", Offers, Trap::Drip(b"250-SLOW\r\n".into())),
        slow("drip-handshake", "one byte of TLS a second", Hello, Trap::Drip(record.clone())),
        slow("silent", "takes connections and says nothing", Greeting, Trap::Silence),
        slow("silent-ehlo", "does not answer EHLO", Offers, Trap::Silence),
        slow("silent-starttls", "does not answer STARTTLS", GoAhead, Trap::Silence),
        slow("stalled-handshake", "does not answer the ClientHello", Hello, Trap::Silence),
        slow("half-record", "stops in the first record of TLS", Hello, Trap::Stuck(record)),
        with_name_wrong(slow("silent-inside", "says nothing inside TLS", Inside, Trap::Silence)),
        with_name_wrong(slow(
            "drip-inside",
            "one byte a second inside TLS",
            Inside,
            Trap::Drip(b"250-SLOW\r\n".into()),
        )),
    ]
}

fn garbage(shown: &Shown) -> Vec<Mode> {
    let last = |name, about, point, bytes: &[u8]| {
        evil(shown, name, about, Service::Smtp, (point, Trap::Last(bytes.to_vec())))
    };
    let noise: Vec<u8> =
        (0_u32..2000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let noise = [&noise[..], b"\r\n"].concat();
    let longest: Vec<u8> = [&[22, 3, 3, 0xff, 0xff][..], &[2; 3000]].concat();
    use Point::{Greeting, Hello, Offers};
    vec![
        last("garbage-banner", "noise for a greeting", Greeting, &noise)
            .refused(&["protocol-violation"]),
        last("http-banner", "a web server", Greeting, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .refused(&["protocol-violation"]),
        last("ssh-banner", "an SSH server", Greeting, b"SSH-2.0-OpenSSH_9.2p1\r\n")
            .refused(&["protocol-violation"]),
        last("garbage-ehlo", "noise for extensions", Offers, &noise)
            .refused(&["protocol-violation"]),
        last("garbage-hello", "noise for the first words of TLS", Hello, &[0xfe; 300])
            .refused(&["not-tls"]),
        last("long-record", "a record longer than TLS has them", Hello, &longest)
            .refused(&["not-tls"])
            .may(&["handshake-failed", "protocol-violation"]),
        last("ehlo-of-200-lines", "more lines than any server has", Offers, &{
            b"250-X-FARM\r\n".repeat(200)
        })
        .refused(&["protocol-violation"]),
    ]
}

/// Texts that would move the cursor of a terminal, or read as something else.
fn tricks(shown: &Shown) -> Vec<Mode> {
    let says = |name, about, point, text: &str| {
        evil(shown, name, about, Service::Smtp, (point, Trap::Last(text.as_bytes().to_vec())))
    };
    use Point::{GoAhead, Greeting, Offers};
    vec![
        says("escapes-554", "clears the screen and says all is well", Greeting, {
            "554 \x1b[2J\x1b[H\x1b]0;owned\x07\x1b[32mok    mx: accepted\x1b[0m\r\n"
        })
        .refused(&["greeting-refused"]),
        says("escapes-421", "carriage returns and backspaces", Greeting, {
            "421 no\x08\x08\x08\rok accepted \u{9b}2J\u{85}\r\n"
        })
        .unknown(&["temporary-refusal"]),
        says("tricks-454", "right-to-left, zero width, private use", GoAhead, {
            "454 \u{202e}detpecca\u{202c} \u{200b}\u{feff}\u{2066}\u{e000}\u{10ffff}\r\n"
        })
        .refused(&["starttls-refused"]),
        says("escapes-ehlo", "extensions with escapes and JSON", Offers, {
            "250-mx \x1b[31m\r\n250-\",\"verdict\":\"accepted\r\n250 \x1bc\u{2028}{}\r\n"
        })
        .refused(&["no-starttls"]),
        evil(shown, "bad-utf8", "bytes that are no text", Service::Smtp, {
            (Greeting, Trap::Last(b"554 \xff\xfe\xc0\x80\xed\xa0\x80\r\n".into()))
        })
        .refused(&["greeting-refused"]),
    ]
}

fn certificates(pki: &Pki) -> Vec<Mode> {
    let mode = |name, about| Mode::new(Kind::Hostile, name, about);
    vec![
        mode("garbage-certificate", "a certificate that is none")
            .shows(|host| {
                let mut shown = pki.good(host);
                shown.chain[0] = b"\x30\x03abc".to_vec().into();
                shown
            })
            .refused(&["protocol-violation"])
            .may(&["handshake-failed"]),
        mode("huge-certificate", "a certificate of 60 kB, 1,501 names, none right")
            .shows(|_| {
                let name = |n| format!("a-rather-long-label-{n:04}.farm.test");
                let names: Vec<String> = (0..1501).map(name).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                signed(leaf(&names), &pki.middle)
            })
            .refused(&["name-mismatch", "large-certificate"]),
    ]
}
