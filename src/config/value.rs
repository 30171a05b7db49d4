//! What a text of the file means: each function takes one value and says what is wrong with it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::{Trouble, shown};
use super::{Account, EximLayout, Profile};
use crate::model::{Hostname, KeyType};

/// A host name; an internationalised one becomes its A-label form.
pub(super) fn host(text: &str) -> Result<Hostname, Trouble> {
    Hostname::from_typed(text).map_err(|bad| {
        if text.starts_with("*.") {
            return Trouble::new(
                format!("{} is a wildcard", shown(text)),
                "expected one host name",
            )
            .help(format!(
                "below the `[[domain]]` it belongs to, `hosts = [\"{text}\"]` orders a wildcard \
                 certificate, by dns-01"
            ));
        }
        let trouble = Trouble::new(bad.to_string(), "expected a name such as mail.example.org");
        match text.rsplit_once('@').map(|(_, domain)| Hostname::from_typed(domain)) {
            Some(Ok(domain)) => trouble.help(format!("did you mean `{domain}`?")),
            _ => trouble,
        }
    })
}

/// A number with its unit: `30s`, `90m`, `20h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, Trouble> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &text[digits.len()..] {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(24 * 3600),
        _ => None,
    };
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    factor
        .zip(number)
        .and_then(|(factor, number): (u64, u64)| number.checked_mul(factor))
        .filter(|seconds| *seconds <= LONGEST.as_secs())
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Trouble::new(
                format!("{} is no span of time", shown(text)),
                "expected a whole number and s, m, h or d, such as 20h",
            )
        })
}

/// The longest span of time that is taken: ten years. More is a slip, and sums stay far from any
/// overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

/// An address with a port, the port not 0.
pub(super) fn socket(text: &str, port: u16) -> Result<SocketAddr, Trouble> {
    if let Some(socket) = text.parse().ok().filter(|socket: &SocketAddr| socket.port() != 0) {
        return Ok(socket);
    }
    let trouble = Trouble::new(
        format!("{} is no address with a port", shown(text)),
        format!("expected ADDRESS:PORT, such as 127.0.0.1:{port} or [::1]:{port}"),
    );
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    Err(match bare.parse::<IpAddr>() {
        Ok(address) => trouble.help(format!("write `\"{}\"`", SocketAddr::new(address, port))),
        Err(_) => trouble,
    })
}

/// An address of one machine.
pub(super) fn address(text: &str) -> Result<IpAddr, Trouble> {
    let expected = "expected an IPv4 or IPv6 address without a port";
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            Err(Trouble::new(format!("{} is no machine's address", shown(text)), expected))
        }
        Ok(address) => Ok(address),
        Err(_) => Err(Trouble::new(format!("{} is no address", shown(text)), expected)),
    }
}

/// An absolute path without control characters.
pub(super) fn path(text: &str) -> Result<PathBuf, Trouble> {
    let path = Path::new(text);
    if !path.is_absolute() {
        let expected = "expected an absolute path, beginning with /";
        return Err(match text {
            "" => Trouble::new("the path is empty", expected),
            _ => Trouble::new(format!("{} is a relative path", shown(text)), expected),
        });
    }
    if text.chars().any(char::is_control) {
        let message = format!("{} has a control character in it", shown(text));
        return Err(Trouble::new(message, "expected a path of visible characters"));
    }
    Ok(path.to_owned())
}

/// A directory that becomes ours: its mode and owner are set, so it is not the root of all.
pub(super) fn directory(text: &str) -> Result<PathBuf, Trouble> {
    let path = path(text)?;
    if path.parent().is_none() {
        return Err(Trouble::new(
            "`/` would become mailcert's own",
            "expected a directory of its own",
        ));
    }
    Ok(path)
}

/// A directory whose name is also written into a server's configuration, where blanks, quotes,
/// `$` and `%` have a meaning of their own that differs from server to server.
pub(super) fn server_directory(text: &str) -> Result<PathBuf, Trouble> {
    let path = directory(text)?;
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"/._-+@".contains(*c)) {
        None => Ok(path),
        Some(c) => Err(Trouble::new(
            format!("{} has {} in it", shown(text), shown(&c.to_string())),
            "expected letters, digits and / . _ - + @ only",
        )
        .help("the path is written into the server's own configuration")),
    }
}

/// The URL of an ACME directory, or the short name of one.
pub(super) fn acme_directory(text: &str) -> Result<String, Trouble> {
    if let Some((_, url)) = SHORT.iter().find(|(name, _)| *name == text) {
        return Ok((*url).to_owned());
    }
    let names = SHORT.map(|(name, _)| name);
    let expected = "expected letsencrypt, letsencrypt-staging or an https URL";
    if text.starts_with("http://") {
        return Err(Trouble::new("the CA's URL is not encrypted", expected)
            .help("write `https://`; the root of a private CA goes into `ca-file`"));
    }
    let no_url = || {
        Trouble::new(format!("{} is no ACME directory", shown(text)), expected)
            .nearest(text, &names)
    };
    let uri: ::http::Uri = text.parse().map_err(|_| no_url())?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let plain = !authority.contains('@') && !text.contains('#');
    match uri.scheme_str() == Some("https") && plain && uri.host().is_some_and(|h| !h.is_empty()) {
        true => Ok(text.to_owned()),
        false => Err(no_url()),
    }
}

/// The directories that have a name.
const SHORT: [(&str, &str); 2] = [
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
];

/// A `mailto:` URL with one address and no header fields (RFC 8555 section 7.3).
pub(super) fn contact(text: &str) -> Result<String, Trouble> {
    let trouble = || {
        Trouble::new(
            format!("{} is no contact", shown(text)),
            "expected mailto: and one mail address",
        )
    };
    let Some(address) = text.strip_prefix("mailto:") else {
        let bare = mail_address(text).map(|address| format!("write `\"mailto:{address}\"`"));
        return Err(match bare {
            Some(help) => trouble().help(help),
            None => trouble(),
        });
    };
    mail_address(address).map(|address| format!("mailto:{address}")).ok_or_else(trouble)
}

/// A mail address (RFC 5321), its domain in lower case; `None` where it is none.
pub(super) fn mail_address(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".!#$&'*+-/=^_`{|}~".contains(c);
    let domain = Hostname::from_typed(domain).ok()?;
    (!local.is_empty() && local.chars().all(plain)).then(|| format!("{local}@{domain}"))
}

/// A key type the configuration may name.
pub(super) fn key_type(text: &str) -> Result<KeyType, Trouble> {
    let words = KeyType::CONFIGURABLE.map(KeyType::as_str);
    one_of(text, "a key type", &words).map(|index| KeyType::CONFIGURABLE[index])
}

/// The sender whose rules decide.
pub(super) fn profile(text: &str) -> Result<Profile, Trouble> {
    const ALL: [Profile; 3] = [Profile::Gmail, Profile::Workspace, Profile::Strict];
    one_of(text, "a sender's profile", &ALL.map(Profile::as_str)).map(|index| ALL[index])
}

/// How Exim's files are laid out.
pub(super) fn layout(text: &str) -> Result<EximLayout, Trouble> {
    const ALL: [EximLayout; 2] = [EximLayout::Combined, EximLayout::Split];
    one_of(text, "a layout", &["combined", "split"]).map(|index| ALL[index])
}

fn one_of(text: &str, what: &str, words: &[&str]) -> Result<usize, Trouble> {
    words.iter().position(|word| *word == text).ok_or_else(|| {
        let (last, front) = words.split_last().map_or(("", words), |(last, front)| (*last, front));
        let expected = format!("expected {} or {last}", front.join(", "));
        Trouble::new(format!("{} is not {what}", shown(text)), expected).nearest(text, words)
    })
}

/// A map type as Postfix writes it: `lmdb`, `hash`.
pub(super) fn map_type(text: &str) -> Result<String, Trouble> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match !text.is_empty() && text.bytes().all(word) {
        true => Ok(text.to_owned()),
        false => Err(Trouble::new(
            format!("{} is no map type", shown(text)),
            "expected a word of small letters and digits, such as lmdb",
        )),
    }
}

/// A word a CA gives a meaning to: a profile, a chain's name, a key identifier.
pub(super) fn word(text: &str) -> Result<String, Trouble> {
    match text.trim().is_empty() || text.chars().any(char::is_control) {
        false => Ok(text.to_owned()),
        true => Err(Trouble::new(
            format!("{} says nothing", shown(text)),
            "expected a text of visible characters",
        )),
    }
}

/// One word of an argv.
pub(super) fn argument(text: &str) -> Result<String, Trouble> {
    match text.chars().any(char::is_control) {
        false => Ok(text.to_owned()),
        true => Err(Trouble::new(
            format!("{} has a control character in it", shown(text)),
            "expected one argument of visible characters",
        )),
    }
}

/// The program of an argv: by its absolute path, or a bare name that is looked up.
pub(super) fn program(text: &str) -> Result<(), Trouble> {
    if text.is_empty() {
        return Err(Trouble::new("the program's name is empty", "expected a program"));
    }
    match text.contains('/') && !text.starts_with('/') {
        false => Ok(()),
        true => Err(Trouble::new(
            format!("{} is a relative path", shown(text)),
            "expected an absolute path or the bare name of a program",
        )),
    }
}

/// A user or group by name, or by a number in quotes.
pub(super) fn account(text: &str) -> Result<Account, Trouble> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return account_number(text, 10);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-$".contains(c);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        true => Ok(Account::Name(text.to_owned())),
        false => Err(Trouble::new(
            format!("{} is no account", shown(text)),
            "expected the name or number of a user or group",
        )),
    }
}

/// A user or group by number; the highest one means "leave as it is" to chown(2), so it is none.
pub(super) fn account_number(digits: &str, radix: u32) -> Result<Account, Trouble> {
    match u32::from_str_radix(digits, radix) {
        Ok(number) if number != u32::MAX => Ok(Account::Number(number)),
        _ => Err(Trouble::new(
            format!("{} is no account number", shown(digits)),
            format!("expected a whole number from 0 to {}", u32::MAX - 1),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        account, account_number, acme_directory, address, contact, duration, host, socket,
    };
    use crate::config::Account;
    use std::time::Duration;

    #[test]
    fn spans_of_time_have_one_number_and_one_unit() {
        for (text, seconds) in [
            ("30s", Some(30)),
            ("90m", Some(5400)),
            ("20h", Some(72_000)),
            ("7d", Some(604_800)),
            ("0s", Some(0)),
            ("3650d", Some(315_360_000)),
            ("3651d", None),
            ("", None),
            ("h", None),
            ("20", None),
            ("1h30m", None),
            ("+1h", None),
            ("-1h", None),
            ("1.5h", None),
            ("20H", None),
            ("٣h", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn sockets_have_an_address_and_a_port() {
        for (text, good) in [
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("127.0.0.53:53", true),
            ("127.0.0.53", false),
            ("127.0.0.53:0", false),
            ("::1:53", false),
            ("localhost:53", false),
            ("127.0.0.53:65536", false),
        ] {
            assert_eq!(socket(text, 53).is_ok(), good, "{text:?}");
        }
        assert!(address("192.0.2.7").is_ok() && address("2001:db8::7").is_ok());
        assert!(address("::").is_err() && address("224.0.0.1").is_err());
    }

    #[test]
    fn directories_are_https_urls_or_known_by_name() {
        for (text, url) in [
            ("letsencrypt", Some("https://acme-v02.api.letsencrypt.org/directory")),
            ("letsencrypt-staging", Some("https://acme-staging-v02.api.letsencrypt.org/directory")),
            ("https://127.0.21.1:14000/dir", Some("https://127.0.21.1:14000/dir")),
            ("https://[::1]:14000/dir", Some("https://[::1]:14000/dir")),
            ("https://localhost/dir?a=b", Some("https://localhost/dir?a=b")),
            ("http://localhost/dir", None),
            ("https://", None),
            ("https:///dir", None),
            ("https://user@ca.example/dir", None),
            ("https://ca.example/dir#x", None),
            ("https://ca.example/a b", None),
            ("ca.example", None),
            ("/etc/dir", None),
            ("ftp://ca.example/", None),
            ("", None),
        ] {
            assert_eq!(acme_directory(text).ok().as_deref(), url, "{text:?}");
        }
    }

    #[test]
    fn a_contact_is_one_mail_address() {
        for (text, url) in [
            ("mailto:a.b+c@example.org", Some("mailto:a.b+c@example.org")),
            ("mailto:root@Müller.example", Some("mailto:root@xn--mller-kva.example")),
            ("a@example.org", None),
            ("mailto:a@localhost", None),
            ("mailto:@example.org", None),
            ("mailto:a@b.example,c@d.example", None),
            ("mailto:a@example.org?subject=x", None),
            ("mailto:a b@example.org", None),
        ] {
            assert_eq!(contact(text).ok().as_deref(), url, "{text:?}");
        }
    }

    #[test]
    fn accounts_are_names_or_numbers() {
        let name = |name: &str| Some(Account::Name(name.to_owned()));
        for (text, expected) in [
            ("Debian-exim", name("Debian-exim")),
            ("_dovenull", name("_dovenull")),
            ("101", Some(Account::Number(101))),
            ("4294967295", None),
            ("-1", None),
            ("", None),
            ("a:b", None),
            ("a b", None),
        ] {
            assert_eq!(account(text).ok(), expected, "{text:?}");
        }
        assert_eq!(account_number("ff", 16).ok(), Some(Account::Number(255)));
    }

    #[test]
    fn umlauts_become_a_labels() {
        assert_eq!(host("Müller.example").unwrap().as_str(), "xn--mller-kva.example");
    }
}
