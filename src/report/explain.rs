//! What `explain` says: one text for each code, from `templates/explain`.
//!
//! A text is plain: a headline, then what is seen, why it is so, how to cure it by hand and with
//! mailcert. The texts are part of the binary, since they are needed where a server is broken.

use serde_json::{Value, json};

use super::{Detail, wrapped};
use crate::model::{Code, Level};
use crate::verify::profiles::{self, Row};

macro_rules! text {
    ($word:literal) => {
        include_str!(concat!("../../templates/explain/", $word, ".md"))
    };
}

/// The codes with their levels, headline, evidence and text: `codes` of the JSON interface.
pub(super) fn rows(codes: &[Code]) -> Value {
    let row = |code: &Code| {
        json!({
            "code": code,
            "level": code.level(),
            "levels": profiles::row(*code).map(levels),
            "evidence": profiles::row(*code).map(evidence),
            "headline": headline(*code),
            "text": whole(*code),
        })
    };
    Value::Array(codes.iter().map(row).collect())
}

fn levels(row: &Row) -> Value {
    json!({ "gmail": row.gmail, "workspace": row.workspace, "strict": row.strict })
}

/// The evidence with its kind: `reported: mailcow#4122 ...`.
fn evidence(row: &Row) -> String {
    format!("{}: {}", row.ground.as_str(), row.evidence)
}

/// What `explain CODE` prints: the text, and how much each sender minds.
pub(super) fn whole(code: Code) -> String {
    let Some(row) = profiles::row(code) else { return explain(code).to_owned() };
    let [gmail, workspace, strict] = [row.gmail, row.workspace, row.strict].map(Level::mark);
    let weights = format!("gmail {gmail}, workspace {workspace}, strict {strict}");
    let lines = wrapped(&weights, "  ") + &wrapped(&evidence(row), "  ");
    format!("{}\nEvidence\n{lines}", explain(code))
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
        Code::KeyMismatch => text!("key-mismatch"),
        Code::MtaStsMismatch => text!("mta-sts-mismatch"),
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
        Code::AuthBeforeTls => text!("auth-before-tls"),
        Code::UnknownSniFails => text!("unknown-sni-fails"),
        Code::RevocationUnknown => text!("revocation-unknown"),
        Code::DaneMismatch => text!("dane-mismatch"),
        Code::DaneBroken => text!("dane-broken"),
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
        Code::MtaStsBroken => text!("mta-sts-broken"),
        Code::MtaStsWeak => text!("mta-sts-weak"),
        Code::TlsRptBroken => text!("tls-rpt-broken"),
        Code::DaneUnusable => text!("dane-unusable"),
        Code::CaaForbids => text!("caa-forbids"),
        Code::CaaUnknown => text!("caa-unknown"),
        Code::PreflightWrong => text!("preflight-wrong"),
        Code::PreflightUnseen => text!("preflight-unseen"),
        Code::Dns01Failed => text!("dns-01-failed"),
        Code::RecordLeft => text!("record-left"),
        Code::NameRefused => text!("name-refused"),
        Code::OrderFailed => text!("order-failed"),
        Code::HeldBack => text!("held-back"),
        Code::OnHold => text!("on-hold"),
        Code::OtherChain => text!("other-chain"),
        Code::OrdersSpread => text!("orders-spread"),
        Code::TlsaMismatch => text!("tlsa-mismatch"),
        Code::TlsaWaits => text!("tlsa-waits"),
        Code::TlsaRetiredCa => text!("tlsa-retired-ca"),
        Code::CaUnreachable => text!("ca-unreachable"),
        Code::RateLimited => text!("rate-limited"),
        Code::HookMissing => text!("hook-missing"),
        Code::ProgramMissing => text!("program-missing"),
        Code::DirectoryMissing => text!("directory-missing"),
        Code::ServerNotRunning => text!("server-not-running"),
        Code::ServerUnreadable => text!("server-unreadable"),
        Code::PanelManaged => text!("panel-managed"),
        Code::UnpublishedEdit => text!("unpublished-edit"),
        Code::KeyExposed => text!("key-exposed"),
        Code::DefaultUncovered => text!("default-uncovered"),
        Code::RsaNotShown => text!("rsa-not-shown"),
        Code::NotifyFailed => text!("notify-failed"),
        Code::StepFailed => text!("step-failed"),
        Code::RolledBack => text!("rolled-back"),
        Code::NoServer => text!("no-server"),
        Code::StoreDamaged => text!("store-damaged"),
        Code::OutboundTlsOff => text!("outbound-tls-off"),
        Code::InboundTlsOff => text!("inbound-tls-off"),
        Code::KeyInGit => text!("key-in-git"),
        Code::MtaShadowed => text!("mta-shadowed"),
        Code::ClientCertificate => text!("client-certificate"),
        Code::OcspLeftover => text!("ocsp-leftover"),
        Code::MapTypeMissing => text!("map-type-missing"),
        Code::OldProtocolAllowed => text!("old-protocol-allowed"),
        Code::FilterConflict => text!("filter-conflict"),
        Code::CertificateUnasked => text!("certificate-unasked"),
        Code::SourceUnusable => text!("source-unusable"),
        Code::SourceOverdue => text!("source-overdue"),
        Code::SourceMissing => text!("source-missing"),
        Code::SourceFound => text!("source-found"),
        Code::ManyBlocks => text!("many-blocks"),
        Code::PortSilent => text!("port-silent"),
        Code::ChainRefused => text!("chain-refused"),
        Code::ServiceOverride => text!("service-override"),
        Code::SniCase => text!("sni-case"),
    }
}

/// The table check x profile, then what the other commands find with its one level; an empty line
/// between the levels. With `Detail::Verbose` each check says on what evidence it stands.
#[must_use]
pub fn list(detail: Detail) -> String {
    let mut text = LEGEND.to_owned();
    for level in LEVELS {
        let rows = profiles::TABLE.iter().filter(|row| row.gmail == level);
        let rows: String = rows.map(|row| check(row, detail)).collect();
        text.push_str(&format!("{rows}{}", if rows.is_empty() { "" } else { "\n" }));
    }
    text.push_str(OTHERS);
    for level in LEVELS {
        let others = Code::ALL.iter().filter(|code| profiles::row(**code).is_none());
        let others: String = others
            .filter(|code| code.level() == level)
            .map(|code| line(*code, &format!("{:14}", level.mark())))
            .collect();
        text.push_str(&format!("\n{others}"));
    }
    text
}

const LEVELS: [Level; 4] = [Level::Fail, Level::Unknown, Level::Warn, Level::Note];

/// A row of the table; the marks are those of the matrix, where unknown is a question mark.
fn check(row: &Row, detail: Detail) -> String {
    let mark = |level: Level| if level == Level::Unknown { "?" } else { level.mark() };
    let marks = [row.gmail, row.workspace, row.strict].map(mark);
    let marks = format!("{:4} {:4} {:4}", marks[0], marks[1], marks[2]);
    let evidence = match detail {
        Detail::Verbose => wrapped(&evidence(row), "    "),
        Detail::Usual | Detail::Quiet => String::new(),
    };
    line(row.code, &marks) + &evidence
}

/// The word, its marks, and the headline.
fn line(code: Code, marks: &str) -> String {
    format!("{:21} {marks} {}\n", code.as_str(), headline(code))
}

const LEGEND: &str = "\
What verify finds at an endpoint, and how much each sender minds (? = unknown)

                      gmail
                      |    workspace
                      |    |    strict
";

const OTHERS: &str = "What the other commands find
";

/// The first line without the word.
#[must_use]
pub fn headline(code: Code) -> &'static str {
    let first = explain(code).lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, headline)| headline)
}

#[cfg(test)]
mod tests {
    use super::{Detail, explain, headline, list, whole};
    use crate::model::Code;
    use crate::verify::profiles;

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
    fn the_list_names_every_code_once_with_its_levels_the_worst_first() {
        let list = list(Detail::Usual);
        let mut seen = Vec::new();
        for line in list.lines() {
            assert!(line.len() <= 80, "{line}");
            let mut words = line.split_whitespace();
            let Some(code) = words.next().and_then(Code::parse) else { continue };
            let mark = words.next().unwrap().replace('?', "unknown");
            assert_eq!(mark, code.level().mark(), "{line}");
            seen.push(code);
        }
        let checks = profiles::TABLE.len();
        assert!(seen[..checks].is_sorted_by_key(|code| std::cmp::Reverse(code.level())));
        assert!(seen[checks..].is_sorted_by_key(|code| std::cmp::Reverse(code.level())));
        seen.sort_unstable();
        assert_eq!(seen, Code::ALL);
        for expected in [
            "self-signed           FAIL FAIL FAIL The certificate is signed by its own key\n",
            "timeout               ?    ?    ?    No answer in time\n",
            "addresses-differ      warn FAIL FAIL The addresses show different certificates\n",
            "null-mx               note           The domain",
        ] {
            assert!(list.contains(expected), "{list}");
        }
    }

    #[test]
    fn the_evidence_of_each_check_is_told_by_its_text_and_by_the_longer_list() {
        let list = list(Detail::Verbose);
        for row in profiles::TABLE {
            assert!(list.contains(&super::wrapped(&super::evidence(row), "    ")), "{}", row.code);
        }
        assert!(list.lines().all(|line| line.len() <= 80), "{list}");
        let text = whole(Code::AddressesDiffer);
        let expected = "\nEvidence\n  gmail warn, workspace FAIL, strict FAIL\n  documented: ";
        assert!(text.contains(expected), "{text}");
        assert_eq!(whole(Code::NoMx), explain(Code::NoMx));
    }
}
