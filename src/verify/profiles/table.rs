//! The table check x profile: how much each sender minds, and on what evidence that stands.
//!
//! No public list says which roots Gmail trusts or what else it checks: where nobody reported a
//! refusal, the row says what stands in for it.

use crate::config::Profile;
use crate::model::{Code, Level};

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is found.
    pub code: Code,
    /// Its weight with Gmail's "Send mail as".
    pub gmail: Level,
    /// With Google Workspace's secure transport compliance ("Require CA signed certificate",
    /// "Validate certificate hostname"), which tries once and bounces.
    pub workspace: Level,
    /// With everything a strict sender could refuse; what is a warning even here is bad
    /// housekeeping that nobody refuses.
    pub strict: Level,
    /// What kind of evidence there is.
    pub ground: Ground,
    /// The evidence, as a sentence.
    pub evidence: &'static str,
}

impl Row {
    /// The weight with this sender.
    #[must_use]
    pub fn level(&self, profile: Profile) -> Level {
        match profile {
            Profile::Gmail => self.gmail,
            Profile::Workspace => self.workspace,
            Profile::Strict => self.strict,
        }
    }
}

/// What kind of evidence a row stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// People reported it of Gmail.
    Reported,
    /// Google's own documentation.
    Documented,
    /// A standard demands it.
    Standard,
    /// TLS libraries and tools were measured.
    Measured,
    /// It follows from what happens.
    Certain,
    /// Our own judgement.
    Ours,
}

impl Ground {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Documented => "documented",
            Self::Standard => "standard",
            Self::Measured => "measured",
            Self::Certain => "certain",
            Self::Ours => "judgement",
        }
    }
}

/// The row of a code; `None` for what verify does not find.
#[must_use]
pub fn row(code: Code) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

macro_rules! table {
    ($($code:ident $gmail:ident $workspace:ident $strict:ident $ground:ident $evidence:literal;)+) => {
        &[$(Row {
            code: Code::$code,
            gmail: Level::$gmail,
            workspace: Level::$workspace,
            strict: Level::$strict,
            ground: Ground::$ground,
            evidence: $evidence,
        },)+]
    };
}

/// Every check of the verifier: Gmail, Workspace, strict.
#[rustfmt::skip]
pub const TABLE: &[Row] = table! {
    SelfSigned Fail Fail Fail Reported
        "cyberpanel#710 and hestia#1758 report Gmail's sentence for it";
    UntrustedRoot Fail Fail Fail Reported
        "the same sentence for a private CA (cyberpanel#710, hestia#1758). Gmail publishes no \
         list of the roots it trusts: Mozilla's stands in for it";
    MissingIntermediate Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it; Gmail's exact words are not known";
    WrongIntermediate Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it; Gmail's exact words are not known";
    LeafNotFirst Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it";
    IntermediateExpired Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it";
    NotACa Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it";
    NameConstraint Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it";
    WrongPurpose Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it";
    NameMismatch Fail Fail Fail Reported
        "mailcow#4122, hestia#1758 and roundcube#8785 report Gmail's sentence for it";
    NoSan Fail Fail Fail Standard
        "RFC 9525 section 6.3: the subjectAltName alone counts. rustls and Go refuse it, \
         OpenSSL, GnuTLS and Postfix still take the CN";
    Expired Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it; Gmail's exact words are not known";
    NotYetValid Fail Fail Fail Measured
        "rustls, OpenSSL, GnuTLS and Go refuse it; Gmail's exact words are not known";
    WeakKey Fail Fail Fail Standard
        "the CA/Browser Forum's baseline requirements 6.1.5 forbid it, rustls and OpenSSL \
         refuse it; Go, GnuTLS and Postfix take RSA-1024";
    WeakSignature Fail Fail Fail Standard
        "the CA/Browser Forum's baseline requirements 7.1.3 forbid it, every library measured \
         refuses it";
    Revoked Fail Fail Fail Standard
        "RFC 5280 section 6.3; that Gmail asks for revocation is not known. Only looked at \
         with --crl";
    ProtocolTooOld Fail Fail Fail Standard
        "RFC 8996 forbids TLS 1.0 and 1.1, RFC 8461 section 4.1 wants 1.2. Google's help page \
         2520500 lists TLS 1.0 to 1.3, but for Workspace delivery";
    TlsAlert Fail Fail Fail Reported
        "mailcow#3407: Gmail's handshakes were aborted, its mail was delayed";
    NotTls Fail Fail Fail Reported
        "postal#1229 reports Gmail's sentence for a handshake that fails";
    HandshakeFailed Fail Fail Fail Reported
        "postal#1229 reports Gmail's sentence for it";
    NoStarttls Fail Fail Fail Reported
        "postal#1053 reports Gmail's sentence for it";
    StarttlsRefused Fail Fail Fail Reported
        "hestia#2837: Gmail did not deliver and quoted the 454";
    ConnectionClosed Fail Fail Fail Certain
        "nothing can be handed over";
    GreetingRefused Fail Fail Fail Certain
        "nothing can be handed over";
    ConnectionRefused Fail Fail Fail Certain
        "nothing can be handed over";
    ProtocolViolation Fail Fail Fail Certain
        "nothing can be handed over; the limits are those of RFC 5321 section 4.5.3.1 and \
         wider";
    ClientCertRequired Fail Fail Fail Measured
        "every client without a certificate is turned away";
    Flapping Fail Fail Fail Reported
        "chesterenright.com, 2020: about half of the messages went through";
    NoAuthOffered Fail Fail Fail Documented
        "Gmail's dialog asks for a user name and a password, and sends them by PLAIN or LOGIN \
         (RFC 4954)";
    KeyMismatch Fail Fail Fail Certain
        "no server can complete a handshake with a key of another certificate (Postfix, Exim and \
         Dovecot measured)";
    MtaStsMismatch Fail Fail Fail Standard
        "RFC 8461 section 5: under mode enforce nothing is delivered; Gmail and Exchange obey it. \
         In mode testing it is a warning";
    Timeout Unknown Unknown Unknown Certain
        "nothing can be said";
    Unreachable Unknown Unknown Unknown Certain
        "nothing can be said";
    TemporaryRefusal Unknown Unknown Unknown Standard
        "RFC 5321 section 4.2.1: a 4xx reply asks to come back";
    DnsFailure Unknown Unknown Unknown Standard
        "RFC 5321 section 5.1: a sender tries again later";
    NoSuchHost Unknown Unknown Unknown Certain
        "there is nothing to connect to";
    ProxyProtocolExpected Unknown Unknown Unknown Measured
        "Postfix says nothing for five seconds, then 421";
    ExpiresSoon Warn Warn Warn Ours
        "renewal is due at a third of the lifetime; at a sixth it is failing";
    ChainOrder Warn Warn Fail Standard
        "TLS 1.2 wants the order (RFC 5246 section 7.4.2), TLS 1.3 does not (RFC 8446 section \
         4.4.2); every library measured takes it";
    ChainDuplicate Warn Warn Warn Measured
        "every library takes it";
    ChainExtra Warn Warn Warn Measured
        "every library takes it";
    RootSent Warn Warn Warn Measured
        "every library takes it; it costs bytes";
    ChainTooLong Warn Warn Fail Measured
        "GnuTLS complains of 62 certificates, others take them";
    LargeCertificate Warn Warn Fail Measured
        "rustls stops at 64 KiB; the libraries measured took 60 kB, and 16 KiB is our own bound";
    UnusualKey Warn Warn Fail Standard
        "the CA/Browser Forum's baseline requirements 6.1.5 have RSA, P-256, P-384 and P-521 \
         only";
    NoSniDiffers Warn Warn Fail Reported
        "chatmail/relay#523: Postfix sends no SNI by default; Gmail does";
    NoSniFails Warn Warn Fail Reported
        "chatmail/relay#523: Postfix sends no SNI by default; Gmail does";
    StarttlsInjection Warn Warn Fail Standard
        "CVE-2011-0411; RFC 3207 section 6 wants what came before TLS forgotten";
    OldProtocolOffered Warn Warn Fail Standard
        "RFC 8996: TLS 1.0 and 1.1 must not be used";
    WeakCiphers Warn Warn Fail Standard
        "RFC 9325 section 4.2; that Gmail refuses them is not known";
    NoForwardSecrecy Warn Warn Fail Standard
        "RFC 9325 section 4.1; that Gmail refuses them is not known";
    ImplicitTlsExpected Warn Warn Fail Standard
        "RFC 8314 section 3.3 and 7.3: which port begins with TLS";
    AddressesDiffer Warn Fail Fail Documented
        "Google's help on secure transport: Workspace tries once and bounces";
    AuthBeforeTls Warn Warn Fail Standard
        "RFC 4954 section 4: no PLAIN before TLS; no sender refuses it, and passwords may leak";
    UnknownSniFails Warn Warn Fail Ours
        "some senders send the mail domain as the server name (mox, mailcow#5816). Only looked at \
         under strict";
    RevocationUnknown Note Note Warn Ours
        "no sender is known to refuse for it. Only looked at with --crl";
    DaneMismatch Warn Warn Fail Standard
        "RFC 7672 section 2.2: senders that do DANE (Exchange, Postfix) do not deliver; Gmail was \
         not seen to";
    DaneBroken Warn Warn Fail Standard
        "RFC 7672 section 2.2: senders that do DANE wait";
};

#[cfg(test)]
mod tests {
    use super::{TABLE, row};
    use crate::model::Code;

    #[test]
    fn every_check_has_one_row_in_the_order_of_the_codes_and_gmail_weighs_as_the_code() {
        assert!(TABLE.is_sorted_by_key(|row| row.code));
        for (at, one) in TABLE.iter().enumerate() {
            assert!(TABLE[at + 1..].iter().all(|other| other.code != one.code), "{}", one.code);
            assert_eq!(one.gmail, one.code.level(), "{}", one.code);
            assert!(one.workspace >= one.gmail && one.strict >= one.workspace, "{}", one.code);
            assert!(one.evidence.len() > 10 && !one.evidence.ends_with('.'), "{}", one.code);
        }
    }

    #[test]
    fn what_only_a_plan_or_a_run_finds_has_no_row() {
        assert!(row(Code::Expired).is_some());
        assert!(row(Code::HookMissing).is_none());
    }
}
