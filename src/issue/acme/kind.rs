//! The kinds of challenge in the words of the CA.

use instant_acme::ChallengeType;

use crate::model::Challenge;

/// What is asked for.
pub(super) fn kind(wanted: Challenge) -> ChallengeType {
    match wanted {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Dns01 => ChallengeType::Dns01,
    }
}

/// What the CA calls a kind of challenge; those we know nothing of are as good as any.
pub(super) fn word(kind: &ChallengeType) -> &str {
    match kind {
        ChallengeType::Http01 => "http-01",
        ChallengeType::Dns01 => "dns-01",
        ChallengeType::TlsAlpn01 => "tls-alpn-01",
        ChallengeType::Unknown(word) => word,
        _ => "another",
    }
}
