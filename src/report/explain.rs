//! What `explain` says: one text for each code, from `templates/explain`.
//!
//! A text is plain: a headline, then what is seen, why it is so, how to cure it by hand and with
//! mailcert. The texts are part of the binary, since they are needed where a server is broken.

use serde_json::{Value, json};

use crate::model::{Code, Level};

macro_rules! text {
    ($word:literal) => {
        include_str!(concat!("../../templates/explain/", $word, ".md"))
    };
}

/// The codes with their level, headline and text: `codes` of the JSON interface.
pub(super) fn rows(codes: &[Code]) -> Value {
    let row = |code: &Code| {
        json!({
            "code": code,
            "level": code.level(),
            "headline": headline(*code),
            "text": explain(*code),
        })
    };
    Value::Array(codes.iter().map(row).collect())
}

/// What the code means, what the sender shows, why it happens and how to cure it: lines of at
/// most 80 columns, the first of them `CODE: headline`.
#[must_use]
pub fn explain(code: Code) -> &'static str {
    match code {
        Code::SelfSigned => text!("self-signed"),
        Code::UntrustedRoot => text!("untrusted-root"),
        Code::MissingIntermediate => text!("missing-intermediate"),
        Code::WrongIntermediate => text!("wrong-intermediate"),
        Code::LeafNotFirst => text!("leaf-not-first"),
        Code::IntermediateExpired => text!("intermediate-expired"),
        Code::NotACa => text!("not-a-ca"),
        Code::NameConstraint => text!("name-constraint"),
        Code::WrongPurpose => text!("wrong-purpose"),
        Code::NameMismatch => text!("name-mismatch"),
        Code::NoSan => text!("no-san"),
        Code::Expired => text!("expired"),
        Code::NotYetValid => text!("not-yet-valid"),
        Code::WeakKey => text!("weak-key"),
        Code::WeakSignature => text!("weak-signature"),
        Code::Revoked => text!("revoked"),
        Code::ProtocolTooOld => text!("protocol-too-old"),
        Code::TlsAlert => text!("tls-alert"),
        Code::NotTls => text!("not-tls"),
        Code::HandshakeFailed => text!("handshake-failed"),
        Code::NoStarttls => text!("no-starttls"),
        Code::StarttlsRefused => text!("starttls-refused"),
        Code::ConnectionClosed => text!("connection-closed"),
        Code::GreetingRefused => text!("greeting-refused"),
        Code::ConnectionRefused => text!("connection-refused"),
        Code::ProtocolViolation => text!("protocol-violation"),
        Code::ClientCertRequired => text!("client-cert-required"),
        Code::Flapping => text!("flapping"),
        Code::NoAuthOffered => text!("no-auth-offered"),
        Code::Timeout => text!("timeout"),
        Code::Unreachable => text!("unreachable"),
        Code::TemporaryRefusal => text!("temporary-refusal"),
        Code::DnsFailure => text!("dns-failure"),
        Code::NoSuchHost => text!("no-such-host"),
        Code::ProxyProtocolExpected => text!("proxy-protocol-expected"),
        Code::PortBlocked => text!("port-blocked"),
        Code::ExpiresSoon => text!("expires-soon"),
        Code::ChainOrder => text!("chain-order"),
        Code::ChainDuplicate => text!("chain-duplicate"),
        Code::ChainExtra => text!("chain-extra"),
        Code::RootSent => text!("root-sent"),
        Code::ChainTooLong => text!("chain-too-long"),
        Code::LargeCertificate => text!("large-certificate"),
        Code::UnusualKey => text!("unusual-key"),
        Code::NoSniDiffers => text!("no-sni-differs"),
        Code::NoSniFails => text!("no-sni-fails"),
        Code::StarttlsInjection => text!("starttls-injection"),
        Code::OldProtocolOffered => text!("old-protocol-offered"),
        Code::WeakCiphers => text!("weak-ciphers"),
        Code::NoForwardSecrecy => text!("no-forward-secrecy"),
        Code::ImplicitTlsExpected => text!("implicit-tls-expected"),
        Code::AddressesDiffer => text!("addresses-differ"),
        Code::SystemRootsDiffer => text!("system-roots-differ"),
        Code::LocalPolicy => text!("local-policy"),
        Code::NullMx => text!("null-mx"),
        Code::NoMx => text!("no-mx"),
        Code::MxIsAlias => text!("mx-is-alias"),
        Code::MxIsAddress => text!("mx-is-address"),
        Code::BadName => text!("bad-name"),
        Code::TooManyRecords => text!("too-many-records"),
        Code::DnsBogus => text!("dns-bogus"),
        Code::PointsPartly => text!("points-partly"),
        Code::PointsElsewhere => text!("points-elsewhere"),
        Code::MxElsewhere => text!("mx-elsewhere"),
        Code::CaaForbids => text!("caa-forbids"),
        Code::CaaUnknown => text!("caa-unknown"),
        Code::PreflightWrong => text!("preflight-wrong"),
        Code::PreflightUnseen => text!("preflight-unseen"),
        Code::NameRefused => text!("name-refused"),
        Code::OrderFailed => text!("order-failed"),
        Code::HeldBack => text!("held-back"),
        Code::TlsaMismatch => text!("tlsa-mismatch"),
        Code::HookMissing => text!("hook-missing"),
        Code::ProgramMissing => text!("program-missing"),
        Code::DirectoryMissing => text!("directory-missing"),
        Code::ServerNotRunning => text!("server-not-running"),
        Code::ServerUnreadable => text!("server-unreadable"),
        Code::PanelManaged => text!("panel-managed"),
        Code::UnpublishedEdit => text!("unpublished-edit"),
        Code::KeyExposed => text!("key-exposed"),
        Code::DefaultUncovered => text!("default-uncovered"),
        Code::StepFailed => text!("step-failed"),
        Code::RolledBack => text!("rolled-back"),
        Code::NotAvailableYet => text!("not-available-yet"),
        Code::NoServer => text!("no-server"),
        Code::StoreDamaged => text!("store-damaged"),
    }
}

/// One line for each code: the word, its level in the gmail profile, its headline; the worst
/// first, an empty line between the levels.
#[must_use]
pub fn list() -> String {
    [Level::Fail, Level::Unknown, Level::Warn, Level::Note].map(of_level).join("\n")
}

fn of_level(level: Level) -> String {
    let codes = Code::ALL.iter().copied().filter(|code| code.level() == level);
    codes
        .map(|code| format!("{:23} {:7} {}\n", code.as_str(), level.mark(), headline(code)))
        .collect()
}

/// The first line without the word.
#[must_use]
pub fn headline(code: Code) -> &'static str {
    let first = explain(code).lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, headline)| headline)
}

#[cfg(test)]
mod tests {
    use super::{explain, headline, list};
    use crate::model::{Code, Level};

    const SECTIONS: [&str; 4] = ["Symptom", "Why", "By hand", "With mailcert"];

    #[test]
    fn every_text_begins_with_its_word_and_a_headline() {
        for code in Code::ALL.iter().copied() {
            let first = explain(code).lines().next().unwrap();
            assert!(first.starts_with(&format!("{code}: ")), "{code}: {first}");
            assert!(headline(code).starts_with(char::is_uppercase), "{first}");
            assert!(!first.ends_with('.'), "{first}");
        }
    }

    #[test]
    fn every_text_has_the_four_sections_in_order_and_none_is_empty() {
        for code in Code::ALL.iter().copied() {
            let lines: Vec<&str> = explain(code).lines().collect();
            let places: Vec<(usize, &str)> =
                lines.iter().copied().enumerate().filter(|(_, line)| is_heading(line)).collect();
            let found: Vec<&str> = places.iter().skip(1).map(|(_, line)| *line).collect();
            assert_eq!(found, SECTIONS, "{code}");
            for (at, section) in &places[1..] {
                assert_eq!(lines[at - 1], "", "{code}: no empty line before {section}");
                let next = lines.get(at + 1).copied().unwrap_or_default();
                assert!(next.starts_with("  "), "{code}: nothing under {section}");
            }
        }
    }

    /// Everything but headings and the headline is indented.
    fn is_heading(line: &str) -> bool {
        !line.is_empty() && !line.starts_with("  ")
    }

    #[test]
    fn every_text_fits_a_terminal() {
        for code in Code::ALL.iter().copied() {
            let text = explain(code);
            assert!((10..=25).contains(&text.lines().count()), "{code}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{code}");
            for line in text.lines() {
                assert!(line.len() <= 80 && line.is_ascii(), "{code}: {line}");
                assert_eq!(line.trim_end(), line, "{code}");
            }
        }
    }

    #[test]
    fn no_text_advises_against_tls_or_gives_keys_away() {
        for code in Code::ALL.iter().copied() {
            // A phrase may be broken over two lines.
            let words: Vec<&str> = explain(code).split_whitespace().collect();
            let text = words.join(" ").to_lowercase();
            for phrase in FORBIDDEN {
                assert!(!text.contains(phrase), "{code}: {phrase}");
            }
        }
    }

    const FORBIDDEN: [&str; 25] = [
        "disable tls",
        "disable starttls",
        "disabling tls",
        "switch off tls",
        "switch tls off",
        "turn off tls",
        "turn tls off",
        "turn off starttls",
        "without tls",
        "security_level = none",
        "security_level=none",
        "use_tls = no",
        "use_tls=no",
        "tls_advertise_hosts = :",
        "ssl = no",
        "ssl=no",
        "unsecured",
        "--insecure",
        "curl -k",
        "--no-verify",
        "--no-check-certificate",
        "0644",
        "chmod 644",
        "0755",
        "777",
    ];

    #[test]
    fn the_list_names_every_code_once_with_its_level_the_worst_first() {
        let list = list();
        let mut seen = Vec::new();
        for line in list.lines().filter(|line| !line.is_empty()) {
            assert!(line.len() <= 80, "{line}");
            let mut words = line.split_whitespace();
            let code = Code::parse(words.next().unwrap()).unwrap();
            assert_eq!(words.next(), Some(code.level().mark()), "{line}");
            assert!(line.ends_with(headline(code)), "{line}");
            seen.push(code);
        }
        assert!(seen.is_sorted_by_key(|code| std::cmp::Reverse(code.level())));
        seen.sort_unstable();
        assert_eq!(seen, Code::ALL);
        assert_eq!(list.matches("\n\n").count(), 3);
        assert!(list.starts_with("self-signed             FAIL    The certificate is signed"));
        assert_eq!(Code::parse("no-mx").map(Code::level), Some(Level::Warn));
    }
}
