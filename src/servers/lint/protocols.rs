//! Which versions of TLS a setting allows, in the four languages of the servers.

use crate::model::Level;

/// The versions, oldest first, as Postfix writes them.
const VERSIONS: [&str; 5] = ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
/// The first that RFC 8996 leaves.
const GOOD: usize = 3;

/// What is wrong with the versions that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weak {
    /// TLS 1.0 or 1.1 may be spoken (RFC 8996).
    Old(&'static str),
    /// SSL 3 may be (RFC 7568).
    Ssl,
    /// Nothing newer than TLS 1.1 may be.
    OnlyOld,
}

impl Weak {
    pub(super) fn said(self) -> String {
        match self {
            Self::Old(version) => format!("allows {version}"),
            Self::Ssl => "allows SSLv3".to_owned(),
            Self::OnlyOld => "allows nothing newer than TLSv1.1".to_owned(),
        }
    }

    /// TLS 1.0 is in every older default, and the library may forbid it: worth knowing, no work.
    pub(super) fn level(self) -> Level {
        match self {
            Self::Old(_) => Level::Note,
            Self::Ssl | Self::OnlyOld => Level::Warn,
        }
    }
}

fn judged(allowed: [bool; 5]) -> Option<Weak> {
    if !allowed[GOOD..].contains(&true) {
        return Some(Weak::OnlyOld);
    }
    match allowed.iter().position(|allowed| *allowed) {
        Some(0) => Some(Weak::Ssl),
        Some(oldest) if oldest < GOOD => Some(Weak::Old(VERSIONS[oldest])),
        _ => None,
    }
}

fn number(word: &str) -> Option<usize> {
    let hexadecimal = ["0300", "0301", "0302", "0303", "0304"];
    let bare = word.strip_prefix("0x").unwrap_or(word);
    hexadecimal.iter().position(|one| *one == bare).or_else(|| {
        // Postfix and Dovecot say TLSv1, others TLSv1.0.
        let word = if word.eq_ignore_ascii_case("TLSv1.0") { "TLSv1" } else { word };
        VERSIONS.iter().position(|one| one.eq_ignore_ascii_case(word))
    })
}

/// `>=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.2 TLSv1.3`: Postfix's `smtpd_tls_protocols`. Empty allows
/// all. A word that is none (`!SSLv2`, which no library has any more) changes nothing.
pub(super) fn of_postfix(text: &str) -> Option<Weak> {
    let (mut included, mut excluded) = ([false; 5], [false; 5]);
    let (mut lowest, mut highest) = (0, VERSIONS.len() - 1);
    for word in text.split([' ', '\t', ',', ':']).filter(|word| !word.is_empty()) {
        let (place, rest): (&mut dyn FnMut(usize), &str) =
            if let Some(rest) = word.strip_prefix(">=") {
                (&mut |at| lowest = at, rest)
            } else if let Some(rest) = word.strip_prefix("<=") {
                (&mut |at| highest = at, rest)
            } else if let Some(rest) = word.strip_prefix('!') {
                (&mut |at| excluded[at] = true, rest)
            } else {
                (&mut |at| included[at] = true, word)
            };
        if let Some(at) = number(rest) {
            place(at);
        }
    }
    let named = included.contains(&true);
    let allowed = std::array::from_fn(|at| {
        (!named || included[at]) && !excluded[at] && (lowest..=highest).contains(&at)
    });
    judged(allowed)
}

/// Dovecot's `ssl_min_protocol`.
pub(super) fn of_dovecot(text: &str) -> Option<Weak> {
    let lowest = match text {
        "ANY" => 0,
        "" | "LATEST" => return None,
        word => number(word)?,
    };
    judged(std::array::from_fn(|at| at >= lowest))
}

/// Exim's `openssl_options`: changes to its defaults, which forbid SSL 3. An empty one says
/// nothing, as the library may be GnuTLS.
pub(super) fn of_openssl(text: &str) -> Option<Weak> {
    let options: Vec<&str> = text.split_whitespace().collect();
    if options.is_empty() {
        return None;
    }
    let forbids = |name: &str| options.iter().any(|option| option.strip_prefix('+') == Some(name));
    judged([
        options.contains(&"-no_sslv3"),
        !forbids("no_tlsv1"),
        !forbids("no_tlsv1_1"),
        !forbids("no_tlsv1_2"),
        !forbids("no_tlsv1_3"),
    ])
}

/// GnuTLS' priority string in Exim's `tls_require_ciphers`; OpenSSL's cipher lists, which stand in
/// the same option, say nothing of versions.
pub(super) fn of_gnutls(text: &str) -> Option<Weak> {
    let mut words = text.trim_matches('"').split(':').map(str::trim);
    let level = words.next()?;
    let known = ["NORMAL", "PERFORMANCE", "LEGACY", "PFS", "NONE"].contains(&level)
        || level.starts_with("SECURE");
    if !known {
        return None;
    }
    // `SSL3.0` is in no level; the others are in all but NONE.
    let mut allowed = [false, true, true, true, true];
    if level == "NONE" {
        allowed = [false; 5];
    }
    let names = ["SSL3.0", "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3"];
    for word in words {
        let (on, name) = match (word.strip_prefix("+VERS-"), word.get(1..)) {
            (Some(name), _) => (true, name),
            (None, Some(rest)) if word.starts_with(['-', '!']) => {
                let Some(name) = rest.strip_prefix("VERS-") else { continue };
                (false, name)
            }
            _ => continue,
        };
        match names.iter().position(|one| *one == name) {
            Some(at) => allowed[at] = on,
            None if name == "ALL" || name == "TLS-ALL" => allowed[1..].fill(on),
            None => {}
        }
    }
    judged(allowed)
}

#[cfg(test)]
mod tests {
    use super::{Weak, of_dovecot, of_gnutls, of_openssl, of_postfix};

    const OLD: Option<Weak> = Some(Weak::Old("TLSv1"));
    const OLDER: Option<Weak> = Some(Weak::Old("TLSv1.1"));
    const SSL: Option<Weak> = Some(Weak::Ssl);
    const ONLY: Option<Weak> = Some(Weak::OnlyOld);

    #[test]
    fn postfix_names_versions_in_three_ways() {
        for (text, expected) in [
            (">=TLSv1.2", None),
            (">=TLSv1", OLD),
            (">=TLSv1.1", OLDER),
            (">=0303", None),
            (">=0x0301", OLD),
            ("!SSLv2, !SSLv3", OLD),
            ("!SSLv2,!SSLv3,!TLSv1,!TLSv1.1", None),
            ("!SSLv2 !SSLv3 !TLSv1", OLDER),
            ("TLSv1.2 TLSv1.3", None),
            ("TLSv1, TLSv1.2", OLD),
            ("", SSL),
            ("!SSLv2", SSL),
            ("<=TLSv1.1, >=TLSv1", ONLY),
            (">=TLSv1.2, <=TLSv1.2", None),
            ("TLSv1", ONLY),
        ] {
            assert_eq!(of_postfix(text), expected, "{text:?}");
        }
    }

    #[test]
    fn dovecot_names_the_oldest() {
        for (text, expected) in [
            ("TLSv1.2", None),
            ("TLSv1.3", None),
            ("LATEST", None),
            ("", None),
            ("strange", None),
            ("TLSv1.1", OLDER),
            ("TLSv1", OLD),
            ("SSLv3", SSL),
            ("ANY", SSL),
        ] {
            assert_eq!(of_dovecot(text), expected, "{text:?}");
        }
    }

    #[test]
    fn exim_speaks_the_language_of_its_library() {
        for (text, expected) in [
            ("", None),
            ("+no_sslv2 +no_sslv3 +no_tlsv1 +no_tlsv1_1", None),
            ("+no_sslv2 +no_sslv3", OLD),
            ("+no_tlsv1", OLDER),
            ("-no_sslv3", SSL),
            ("+no_tlsv1 +no_tlsv1_1 +no_tlsv1_2 +no_tlsv1_3", ONLY),
        ] {
            assert_eq!(of_openssl(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("", None),
            ("HIGH:!aNULL", None),
            ("NORMAL", OLD),
            ("NORMAL:-VERS-TLS1.0:-VERS-TLS1.1", None),
            ("NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3", None),
            ("SECURE192:!VERS-TLS1.0", OLDER),
            ("NORMAL:+VERS-SSL3.0", SSL),
            ("NONE:+VERS-TLS1.0", ONLY),
            ("NORMAL:%COMPAT:-é", OLD),
        ] {
            assert_eq!(of_gnutls(text), expected, "{text:?}");
        }
    }
}
