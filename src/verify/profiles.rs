//! Which sender refuses what: the table of codes and profiles, and the sentences the senders show.

use crate::config::Profile;
use crate::model::{Code, Inspection, Level, Problem, Service, Stage, StageMark, Stages, Verdict};
use crate::verify::Fault;

/// How much a code weighs with this sender.
///
/// gmail is the level of the code itself. Google Workspace's secure transport tries once and
/// bounces, so addresses that differ lose mail there. strict takes what any sender could refuse;
/// what remains a warning is bad housekeeping that nobody refuses.
#[must_use]
pub fn level(code: Code, profile: Profile) -> Level {
    let refused = match profile {
        Profile::Gmail => false,
        Profile::Workspace => matches!(code, Code::AddressesDiffer),
        Profile::Strict => matches!(
            code,
            Code::AddressesDiffer
                | Code::ChainOrder
                | Code::ChainTooLong
                | Code::LargeCertificate
                | Code::UnusualKey
                | Code::NoSniDiffers
                | Code::NoSniFails
                | Code::StarttlsInjection
                | Code::OldProtocolOffered
                | Code::WeakCiphers
                | Code::NoForwardSecrecy
                | Code::ImplicitTlsExpected
        ),
    };
    if refused { Level::Fail } else { code.level() }
}

/// The verdict of one endpoint's problems.
#[must_use]
pub fn verdict(problems: &[Problem]) -> Verdict {
    match problems.iter().map(|problem| problem.level).max() {
        Some(Level::Fail) => Verdict::Refused,
        Some(Level::Unknown) => Verdict::Unknown,
        Some(Level::Warn | Level::Note) | None => Verdict::Accepted,
    }
}

/// What `--strict` makes of an inspection: a warning refuses.
#[must_use]
pub fn strictly(mut inspection: Inspection) -> Inspection {
    for problem in &mut inspection.problems {
        if problem.level == Level::Warn {
            problem.level = Level::Fail;
        }
    }
    let stages = &mut inspection.stages;
    for mark in [
        &mut stages.connect,
        &mut stages.greeting,
        &mut stages.starttls,
        &mut stages.handshake,
        &mut stages.chain,
        &mut stages.name,
        &mut stages.dates,
    ] {
        if *mark == Some(StageMark::Warn) {
            *mark = Some(StageMark::Fail);
        }
    }
    inspection.verdict = verdict(&inspection.problems);
    inspection
}

/// A fault as this sender weighs it.
#[must_use]
pub fn weigh(fault: Fault, service: Service, profile: Profile) -> Problem {
    Problem {
        code: fault.code,
        level: level(fault.code, profile),
        sender_says: sender_says(fault.code, service).map(str::to_owned),
        expected: fault.expected,
        found: fault.found,
        why: fault.why,
    }
}

/// Marks the stage of a fault, unless it is marked worse already.
pub(super) fn mark(stages: &mut Stages, stage: Stage, level: Level) {
    let new = match level {
        Level::Fail => StageMark::Fail,
        Level::Unknown => StageMark::Unknown,
        Level::Warn => StageMark::Warn,
        Level::Note => StageMark::Ok,
    };
    let weight = |mark: Option<StageMark>| match mark {
        None => 0,
        Some(StageMark::Ok) => 1,
        Some(StageMark::Warn) => 2,
        Some(StageMark::Unknown) => 3,
        Some(StageMark::Fail) => 4,
    };
    let old = stages.in_order()[stage as usize];
    if weight(Some(new)) > weight(old) {
        stages.mark(stage, new);
    }
}

/// What Gmail shows its user, word for word as reported since 2020. It speaks SMTP only; for the
/// chain's and the dates' faults it is the expected text, since it shows one for all of them.
#[must_use]
pub fn sender_says(code: Code, service: Service) -> Option<&'static str> {
    if !service.is_smtp() {
        return None;
    }
    Some(match code {
        Code::SelfSigned
        | Code::UntrustedRoot
        | Code::MissingIntermediate
        | Code::WrongIntermediate
        | Code::LeafNotFirst
        | Code::IntermediateExpired
        | Code::NotACa
        | Code::NameConstraint
        | Code::WrongPurpose
        | Code::NameMismatch
        | Code::NoSan
        | Code::Expired
        | Code::NotYetValid
        | Code::WeakKey
        | Code::WeakSignature
        | Code::Revoked => "TLS Negotiation failed, the certificate doesn't match the host.",
        Code::NoStarttls => "STARTTLS not supported and the user requires enforcement., code: 500",
        Code::TlsAlert
        | Code::NotTls
        | Code::HandshakeFailed
        | Code::ProtocolTooOld
        | Code::ClientCertRequired => {
            "TLS Negotiation failed: FAILED_PRECONDITION: starttls error (0): protocol error"
        }
        Code::StarttlsRefused => "454 TLS currently unavailable",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{level, sender_says};
    use crate::config::Profile;
    use crate::model::{Code, Level, Service};

    #[test]
    fn gmail_weighs_as_the_codes_do_and_the_others_are_never_milder() {
        for code in Code::ALL.iter().copied() {
            assert_eq!(level(code, Profile::Gmail), code.level());
            assert!(level(code, Profile::Workspace) >= code.level(), "{code}");
            assert!(level(code, Profile::Strict) >= level(code, Profile::Workspace), "{code}");
        }
        assert_eq!(level(Code::NoSniDiffers, Profile::Strict), Level::Fail);
        assert_eq!(level(Code::ExpiresSoon, Profile::Strict), Level::Warn);
        assert_eq!(level(Code::AddressesDiffer, Profile::Workspace), Level::Fail);
        assert_eq!(level(Code::Timeout, Profile::Strict), Level::Unknown);
    }

    #[test]
    fn gmail_says_nothing_of_imap() {
        assert!(sender_says(Code::NameMismatch, Service::Smtp).is_some());
        assert_eq!(sender_says(Code::NameMismatch, Service::Imaps), None);
        assert_eq!(sender_says(Code::Timeout, Service::Smtp), None);
    }
}
