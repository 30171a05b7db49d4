//! Which sender refuses what: the table of codes and profiles, and the sentences the senders show.

use crate::config::Profile;
use crate::model::{
    Code, Inspection, Level, Problem, Service, Stage, StageMark, Stages, TlsMode, Verdict,
};
use crate::verify::Fault;

mod table;

pub use table::{Ground, Row, TABLE, row};

/// How much a code weighs with this sender: the table's word, or the code's own.
#[must_use]
pub fn level(code: Code, profile: Profile) -> Level {
    row(code).map_or_else(|| code.level(), |row| row.level(profile))
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
        sender_says: sender_says(fault.code, service, &fault.found),
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

/// What Gmail shows its user, word for word as people have reported it since 2020; `None` where
/// nobody has. It speaks SMTP only, and after a refused STARTTLS it quotes the server (`found`).
#[must_use]
pub fn sender_says(code: Code, service: Service, found: &[String]) -> Option<String> {
    if !service.is_smtp() {
        return None;
    }
    let starttls = service.tls_mode() == TlsMode::Starttls;
    let sentence = match code {
        // One text for a wrong name and for an issuer that Gmail does not know.
        Code::NameMismatch | Code::SelfSigned | Code::UntrustedRoot => {
            "TLS Negotiation failed, the certificate doesn't match the host."
        }
        Code::NoStarttls => "STARTTLS not supported and the user requires enforcement., code: 500",
        Code::TlsAlert | Code::NotTls | Code::HandshakeFailed if starttls => {
            "TLS Negotiation failed: FAILED_PRECONDITION: starttls error (0): protocol error"
        }
        Code::StarttlsRefused => return found.first().cloned(),
        _ => return None,
    };
    Some(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{level, sender_says};
    use crate::config::Profile;
    use crate::model::{Code, Level, Service};

    #[test]
    fn each_sender_weighs_by_the_table_and_what_is_not_in_it_by_its_code() {
        for (code, profile, expected) in [
            (Code::NoSniDiffers, Profile::Gmail, Level::Warn),
            (Code::NoSniDiffers, Profile::Strict, Level::Fail),
            (Code::ExpiresSoon, Profile::Strict, Level::Warn),
            (Code::AddressesDiffer, Profile::Workspace, Level::Fail),
            (Code::Timeout, Profile::Strict, Level::Unknown),
            (Code::HookMissing, Profile::Gmail, Level::Fail),
        ] {
            assert_eq!(level(code, profile), expected, "{code}");
        }
    }

    #[test]
    fn a_sentence_is_quoted_only_where_somebody_saw_it() {
        let refused = ["454 4.7.0 TLS not available due to local problem".to_owned()];
        for (code, service, expected) in [
            (Code::NameMismatch, Service::Smtp, "TLS Negotiation failed, the certificate doesn't"),
            (Code::SelfSigned, Service::Submissions, "TLS Negotiation failed, the certificate"),
            (Code::NoStarttls, Service::Submission, "STARTTLS not supported and the user requires"),
            (Code::TlsAlert, Service::Smtp, "TLS Negotiation failed: FAILED_PRECONDITION: start"),
            (Code::StarttlsRefused, Service::Smtp, "454 4.7.0 TLS not available due to local"),
        ] {
            let said = sender_says(code, service, &refused);
            assert!(said.is_some_and(|said| said.starts_with(expected)), "{code} {service}");
        }
        for (code, service) in [
            (Code::NameMismatch, Service::Imaps),
            (Code::Expired, Service::Smtp),
            (Code::MissingIntermediate, Service::Submission),
            (Code::ClientCertRequired, Service::Submission),
            (Code::TlsAlert, Service::Submissions),
            (Code::Timeout, Service::Smtp),
        ] {
            assert_eq!(sender_says(code, service, &refused), None, "{code} {service}");
        }
    }
}
