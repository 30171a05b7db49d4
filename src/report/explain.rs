//! `explain CODE`: what one sees, why it happens, the cure by hand and the cure by mailcert.
//!
//! The texts are `templates/explain/CODE.md`; a code without one does not compile.

use crate::model::{Code, Level};

/// The text for a code: plain, at most 80 columns.
#[must_use]
pub fn explain(code: Code) -> &'static str {
    match code {
        Code::SelfSigned => include_str!("../../templates/explain/self-signed.md"),
        Code::UntrustedRoot => include_str!("../../templates/explain/untrusted-root.md"),
        Code::MissingIntermediate => {
            include_str!("../../templates/explain/missing-intermediate.md")
        }
        Code::WrongIntermediate => include_str!("../../templates/explain/wrong-intermediate.md"),
        Code::LeafNotFirst => include_str!("../../templates/explain/leaf-not-first.md"),
        Code::IntermediateExpired => {
            include_str!("../../templates/explain/intermediate-expired.md")
        }
        Code::NotACa => include_str!("../../templates/explain/not-a-ca.md"),
        Code::NameConstraint => include_str!("../../templates/explain/name-constraint.md"),
        Code::WrongPurpose => include_str!("../../templates/explain/wrong-purpose.md"),
        Code::NameMismatch => include_str!("../../templates/explain/name-mismatch.md"),
        Code::NoSan => include_str!("../../templates/explain/no-san.md"),
        Code::Expired => include_str!("../../templates/explain/expired.md"),
        Code::NotYetValid => include_str!("../../templates/explain/not-yet-valid.md"),
        Code::WeakKey => include_str!("../../templates/explain/weak-key.md"),
        Code::WeakSignature => include_str!("../../templates/explain/weak-signature.md"),
        Code::Revoked => include_str!("../../templates/explain/revoked.md"),
        Code::ProtocolTooOld => include_str!("../../templates/explain/protocol-too-old.md"),
        Code::TlsAlert => include_str!("../../templates/explain/tls-alert.md"),
        Code::NotTls => include_str!("../../templates/explain/not-tls.md"),
        Code::HandshakeFailed => include_str!("../../templates/explain/handshake-failed.md"),
        Code::NoStarttls => include_str!("../../templates/explain/no-starttls.md"),
        Code::StarttlsRefused => include_str!("../../templates/explain/starttls-refused.md"),
        Code::ConnectionClosed => include_str!("../../templates/explain/connection-closed.md"),
        Code::GreetingRefused => include_str!("../../templates/explain/greeting-refused.md"),
        Code::ConnectionRefused => include_str!("../../templates/explain/connection-refused.md"),
        Code::ProtocolViolation => include_str!("../../templates/explain/protocol-violation.md"),
        Code::ClientCertRequired => include_str!("../../templates/explain/client-cert-required.md"),
        Code::Flapping => include_str!("../../templates/explain/flapping.md"),
        Code::NoAuthOffered => include_str!("../../templates/explain/no-auth-offered.md"),
        Code::Timeout => include_str!("../../templates/explain/timeout.md"),
        Code::Unreachable => include_str!("../../templates/explain/unreachable.md"),
        Code::TemporaryRefusal => include_str!("../../templates/explain/temporary-refusal.md"),
        Code::DnsFailure => include_str!("../../templates/explain/dns-failure.md"),
        Code::NoSuchHost => include_str!("../../templates/explain/no-such-host.md"),
        Code::ProxyProtocolExpected => {
            include_str!("../../templates/explain/proxy-protocol-expected.md")
        }
        Code::ExpiresSoon => include_str!("../../templates/explain/expires-soon.md"),
        Code::ChainOrder => include_str!("../../templates/explain/chain-order.md"),
        Code::ChainDuplicate => include_str!("../../templates/explain/chain-duplicate.md"),
        Code::ChainExtra => include_str!("../../templates/explain/chain-extra.md"),
        Code::RootSent => include_str!("../../templates/explain/root-sent.md"),
        Code::ChainTooLong => include_str!("../../templates/explain/chain-too-long.md"),
        Code::LargeCertificate => include_str!("../../templates/explain/large-certificate.md"),
        Code::UnusualKey => include_str!("../../templates/explain/unusual-key.md"),
        Code::NoSniDiffers => include_str!("../../templates/explain/no-sni-differs.md"),
        Code::NoSniFails => include_str!("../../templates/explain/no-sni-fails.md"),
        Code::StarttlsInjection => include_str!("../../templates/explain/starttls-injection.md"),
        Code::OldProtocolOffered => include_str!("../../templates/explain/old-protocol-offered.md"),
        Code::WeakCiphers => include_str!("../../templates/explain/weak-ciphers.md"),
        Code::NoForwardSecrecy => include_str!("../../templates/explain/no-forward-secrecy.md"),
        Code::ImplicitTlsExpected => {
            include_str!("../../templates/explain/implicit-tls-expected.md")
        }
        Code::AddressesDiffer => include_str!("../../templates/explain/addresses-differ.md"),
        Code::NullMx => include_str!("../../templates/explain/null-mx.md"),
        Code::NoMx => include_str!("../../templates/explain/no-mx.md"),
        Code::MxIsAlias => include_str!("../../templates/explain/mx-is-alias.md"),
        Code::MxIsAddress => include_str!("../../templates/explain/mx-is-address.md"),
        Code::BadName => include_str!("../../templates/explain/bad-name.md"),
        Code::TooManyRecords => include_str!("../../templates/explain/too-many-records.md"),
        Code::DnsBogus => include_str!("../../templates/explain/dns-bogus.md"),
        Code::PointsPartly => include_str!("../../templates/explain/points-partly.md"),
        Code::PointsElsewhere => include_str!("../../templates/explain/points-elsewhere.md"),
        Code::MxElsewhere => include_str!("../../templates/explain/mx-elsewhere.md"),
        Code::CaaForbids => include_str!("../../templates/explain/caa-forbids.md"),
        Code::CaaUnknown => include_str!("../../templates/explain/caa-unknown.md"),
        Code::PreflightWrong => include_str!("../../templates/explain/preflight-wrong.md"),
        Code::PreflightUnseen => include_str!("../../templates/explain/preflight-unseen.md"),
        Code::NameRefused => include_str!("../../templates/explain/name-refused.md"),
        Code::OrderFailed => include_str!("../../templates/explain/order-failed.md"),
        Code::HeldBack => include_str!("../../templates/explain/held-back.md"),
        Code::TlsaMismatch => include_str!("../../templates/explain/tlsa-mismatch.md"),
        Code::HookMissing => include_str!("../../templates/explain/hook-missing.md"),
        Code::ProgramMissing => include_str!("../../templates/explain/program-missing.md"),
        Code::DirectoryMissing => include_str!("../../templates/explain/directory-missing.md"),
        Code::ServerNotRunning => include_str!("../../templates/explain/server-not-running.md"),
        Code::ServerUnreadable => include_str!("../../templates/explain/server-unreadable.md"),
        Code::PanelManaged => include_str!("../../templates/explain/panel-managed.md"),
        Code::UnpublishedEdit => include_str!("../../templates/explain/unpublished-edit.md"),
        Code::KeyExposed => include_str!("../../templates/explain/key-exposed.md"),
        Code::DefaultUncovered => include_str!("../../templates/explain/default-uncovered.md"),
        Code::StepFailed => include_str!("../../templates/explain/step-failed.md"),
        Code::RolledBack => include_str!("../../templates/explain/rolled-back.md"),
        Code::NotAvailableYet => include_str!("../../templates/explain/not-available-yet.md"),
        Code::NoServer => include_str!("../../templates/explain/no-server.md"),
        Code::StoreDamaged => include_str!("../../templates/explain/store-damaged.md"),
    }
}

/// What a code means, in one line: the first line of its text without the code.
#[must_use]
pub fn title(code: Code) -> &'static str {
    let first = explain(code).lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, title)| title)
}

/// Every code with its meaning, one a line, below its level in the gmail profile.
#[must_use]
pub fn list() -> String {
    let mut text = String::new();
    for (level, heading) in [
        (Level::Fail, "FAIL: a sender refuses, or our work cannot go on\n"),
        (Level::Unknown, "\nunknown: could not be tested\n"),
        (Level::Warn, "\nwarn: accepted, but should be mended\n"),
        (Level::Note, "\nnote: worth knowing\n"),
    ] {
        text.push_str(heading);
        for code in Code::ALL.iter().filter(|code| code.level() == level) {
            text.push_str(&format!("  {:23} {}\n", code.as_str(), title(*code)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{explain, list};
    use crate::model::Code;

    #[test]
    fn every_code_has_its_symptom_its_cause_and_two_cures() {
        for code in Code::ALL {
            let text = explain(*code);
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[0].starts_with(&format!("{code}: ")), "{code}: {}", lines[0]);
            let sections: Vec<&&str> = lines[1..]
                .iter()
                .filter(|line| !line.is_empty() && !line.starts_with(' '))
                .collect();
            assert_eq!(sections, [&"Symptom", &"Why", &"By hand", &"With mailcert"], "{code}");
            for section in sections {
                let at = lines.iter().position(|line| line == section).unwrap_or(0);
                assert!(lines[at + 1].starts_with("  "), "{code}: {section} says nothing");
            }
            assert!((10..=25).contains(&lines.len()), "{code}: {} lines", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= 80), "{code} is too wide");
            assert!(text.contains("mailcert"), "{code}");
        }
    }

    #[test]
    fn no_text_advises_to_do_without_tls() {
        let advice = [
            "security_level = none",
            "ssl = no\n",
            "without tls",
            "turn off tls",
            "disable tls",
            "tls off",
            "unsecured",
            "--insecure",
        ];
        for code in Code::ALL {
            let text = explain(*code).to_lowercase();
            assert!(!advice.iter().any(|words| text.contains(words)), "{code}");
        }
    }

    #[test]
    fn the_list_has_every_code_once_in_80_columns() {
        let text = list();
        let words = text.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let mut listed: Vec<Code> = words.filter_map(Code::parse).collect();
        listed.sort_unstable();
        assert_eq!(listed, Code::ALL);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
