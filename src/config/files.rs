//! The `[[files]]` table, and `listen` of servers that cannot be asked.

use std::net::IpAddr;

use super::fault::{Trouble, shown};
use super::raw::Table;
use super::{Common, FilePaths, FilePattern, Listen, ServerTable, value};
use crate::model::{CertName, Service};

/// What a `[[files]]` table says, if it says where files go.
pub(super) fn files(
    table: &Table<'_>,
    name: Option<String>,
    common: Common,
) -> Option<ServerTable> {
    let paths = FilePaths {
        key: table.text("key", pattern),
        chain: table.text("chain", pattern),
        combined: table.text("combined", pattern),
    };
    let stated = PATHS.iter().any(|key| table.value(key).is_some());
    if !stated {
        let trouble = Trouble::new("no file is named", "expected `combined`, or `key` and `chain`");
        let help = "the file name may hold `{name}`, the name of the certificate";
        table.log.missing(Some(table.span.clone()), trouble.help(help));
    }
    let mixed = paths.all().any(FilePattern::has_name) && !paths.all().all(FilePattern::has_name);
    if let Some(value) = PATHS.iter().rev().find_map(|key| table.value(key)).filter(|_| mixed) {
        value.wrong(Trouble::new(
            "of the paths some hold `{name}` and some do not",
            "expected it in all of them or in none",
        ));
    }
    let mode = table.value("mode").and_then(|value| value.number_or_text(mode, octal));
    Some(ServerTable::Files {
        name,
        paths: Some(Box::new(paths)).filter(|paths| paths.all().next().is_some() && !mixed)?,
        certificate: table.text("certificate", certificate),
        mode,
        check: argv(table, "check"),
        common,
    })
}

/// The words of a command; the first is a program.
pub(super) fn argv(table: &Table<'_>, key: &str) -> Option<Vec<String>> {
    let argv = table.some_texts(key, value::argument)?;
    if let Some((program, place)) = argv.first()
        && let Err(trouble) = value::program(program)
    {
        place.wrong(trouble);
    }
    Some(argv.into_iter().map(|(argument, _)| argument).collect())
}

/// The keys that name files.
pub(super) const PATHS: [&str; 3] = ["key", "chain", "combined"];

/// `listen`, which is only for what cannot be asked where it listens.
pub(super) fn listen(table: &Table<'_>, can_be_asked: bool) -> Vec<Listen> {
    let Some(value) = table.value("listen") else { return Vec::new() };
    if can_be_asked {
        value.wrong(
            Trouble::new("this server says itself where it listens", "expected no `listen`")
                .help("with `files-only = true` nothing is asked, and `listen` says it"),
        );
        return Vec::new();
    }
    let all = table.some_texts("listen", listener).unwrap_or_default();
    all.into_iter().map(|(listener, _)| listener).collect()
}

/// `imaps`, `192.0.2.7:993` or `imaps 192.0.2.7:1993`.
fn listener(text: &str) -> Result<Listen, Trouble> {
    let (word, place) = match text.split_once(' ') {
        Some((word, place)) => (Some(word), place.trim()),
        None if text.contains(':') => (None, text),
        None => (Some(text), ""),
    };
    let service = word.map(service).transpose()?;
    if let (Some(service), "") = (service, place) {
        return Ok(Listen { address: None, port: service.port(), service });
    }
    let at = value::socket(place, 993)?;
    let service = service.or_else(|| Service::at_port(at.port())).ok_or_else(|| {
        let message = format!("nobody knows what is spoken at port {}", at.port());
        Trouble::new(message, format!("expected the service before it, such as `imaps {at}`"))
    })?;
    let address = Some(at.ip()).filter(|address: &IpAddr| !address.is_unspecified());
    Ok(Listen { address, port: at.port(), service })
}

fn service(word: &str) -> Result<Service, Trouble> {
    Service::ALL.into_iter().find(|service| service.as_str() == word).ok_or_else(|| {
        let words = Service::ALL.map(Service::as_str);
        Trouble::new(
            format!("{} is no service", shown(word)),
            "expected a service such as imaps, or ADDRESS:PORT",
        )
        .nearest(word, &words)
    })
}

fn pattern(text: &str) -> Result<FilePattern, Trouble> {
    FilePattern::parse(text).ok_or_else(|| {
        Trouble::new(
            format!("{} is no path of a file", shown(text)),
            "expected an absolute path, with `{name}` at most once, in the file's name",
        )
        .help("write `\"/etc/haproxy/certs/{name}.pem\"`, or a fixed path for one certificate")
    })
}

fn certificate(text: &str) -> Result<CertName, Trouble> {
    CertName::parse(text).map_err(|_| {
        Trouble::new(
            format!("{} is no name of a certificate", shown(text)),
            "expected one that `mailcert status` lists, such as example.org",
        )
    })
}

/// What the admin calls the program.
pub(super) fn label(text: &str) -> Result<String, Trouble> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !text.is_empty() && text.len() <= 40 && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(Trouble::new(
            format!("{} is no name", shown(text)),
            "expected up to 40 letters, digits and . _ - such as haproxy",
        )),
    }
}

/// Permission bits in quotes: `"0640"`.
fn octal(text: &str) -> Result<u32, Trouble> {
    mode(text, 8)
}

/// Permission bits: the owner reads, and nobody but owner and group does anything. `640` without
/// `0o` would be another number than what is meant.
fn mode(digits: &str, radix: u32) -> Result<u32, Trouble> {
    let bits = u32::from_str_radix(digits, radix).ok().filter(|_| radix == 8);
    let trouble = Trouble::new(
        format!("{} is no mode of a file with a key", shown(digits)),
        "expected 0o600, 0o640, 0o400 or 0o440: the owner reads, and nobody but the group besides",
    );
    match bits {
        Some(bits) if bits & !0o660 == 0 && bits & 0o400 != 0 => Ok(bits),
        _ => Err(trouble.help("write `mode = 0o640`, or `mode = \"0640\"`")),
    }
}

#[cfg(test)]
mod tests {
    use super::{listener, mode};

    #[test]
    fn a_listener_is_a_service_or_an_address_or_both() {
        for (text, expected) in [
            ("imaps", Some("None 993 imaps")),
            ("192.0.2.7:25", Some("Some(192.0.2.7) 25 smtp")),
            ("0.0.0.0:25", Some("None 25 smtp")),
            ("[2001:db8::7]:465", Some("Some(2001:db8::7) 465 submissions")),
            ("smtp 192.0.2.7:2525", Some("Some(192.0.2.7) 2525 smtp")),
            ("192.0.2.7:2525", None),
            ("smtp 2525", None),
            ("https", None),
            ("", None),
        ] {
            let found = listener(text)
                .ok()
                .map(|at| format!("{:?} {} {}", at.address, at.port, at.service));
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_mode_lets_nobody_read_a_key() {
        for (digits, radix, expected) in [
            ("640", 8, Some(0o640)),
            ("0600", 8, Some(0o600)),
            ("640", 10, None),
            ("644", 8, None),
            ("040", 8, None),
            ("750", 8, None),
        ] {
            assert_eq!(mode(digits, radix).ok(), expected, "{digits} {radix}");
        }
    }
}
