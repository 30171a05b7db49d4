//! [`Finding`]: the world is so. [`Code`] is the closed list of what can be found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Accepted, but should be mended.
    Warn,
    /// Could not be tested.
    Unknown,
    /// A sender refuses, or our work cannot go on.
    Fail,
}

impl Level {
    /// The mark in human reports.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Fail => "FAIL",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $slug:literal, $level:ident;)+) => {
        /// What can be found. The word is the interface: it never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $slug)] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the tables below.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it: lower case with hyphens.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $slug,)+ }
            }

            /// How much it weighs in the gmail profile.
            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)+ }
            }
        }
    };
}

codes! {
    // What an endpoint shows: a sender refuses.
    /// The certificate is signed by its own key.
    SelfSigned = "self-signed", Fail;
    /// The chain is complete and ends at a root no public list has.
    UntrustedRoot = "untrusted-root", Fail;
    /// The issuer's certificate is not sent along.
    MissingIntermediate = "missing-intermediate", Fail;
    /// The intermediate that is sent did not sign the leaf.
    WrongIntermediate = "wrong-intermediate", Fail;
    /// The first certificate sent is not the server's own.
    LeafNotFirst = "leaf-not-first", Fail;
    /// An intermediate is past its end.
    IntermediateExpired = "intermediate-expired", Fail;
    /// A certificate in the chain may not sign others.
    NotACa = "not-a-ca", Fail;
    /// An issuer may not sign this name.
    NameConstraint = "name-constraint", Fail;
    /// The certificate is not one for TLS servers.
    WrongPurpose = "wrong-purpose", Fail;
    /// The certificate does not cover the name the sender uses.
    NameMismatch = "name-mismatch", Fail;
    /// The certificate has no subjectAltName.
    NoSan = "no-san", Fail;
    /// The certificate is past its end.
    Expired = "expired", Fail;
    /// The certificate's time has not come.
    NotYetValid = "not-yet-valid", Fail;
    /// The key is too short to trust.
    WeakKey = "weak-key", Fail;
    /// The signature algorithm is broken.
    WeakSignature = "weak-signature", Fail;
    /// The issuer has revoked the certificate.
    Revoked = "revoked", Fail;
    /// TLS 1.0 or 1.1 at best.
    ProtocolTooOld = "protocol-too-old", Fail;
    /// The server ended the handshake with an alert.
    TlsAlert = "tls-alert", Fail;
    /// What came was not TLS.
    NotTls = "not-tls", Fail;
    /// The handshake failed.
    HandshakeFailed = "handshake-failed", Fail;
    /// The server does not offer STARTTLS.
    NoStarttls = "no-starttls", Fail;
    /// STARTTLS is offered and refused when asked for.
    StarttlsRefused = "starttls-refused", Fail;
    /// The server hung up.
    ConnectionClosed = "connection-closed", Fail;
    /// The server's greeting is a refusal.
    GreetingRefused = "greeting-refused", Fail;
    /// Nothing listens on the port.
    ConnectionRefused = "connection-refused", Fail;
    /// The server breaks the protocol or its limits.
    ProtocolViolation = "protocol-violation", Fail;
    /// The server wants a certificate from the client.
    ClientCertRequired = "client-cert-required", Fail;
    /// Two looks at one address see certificates of different quality.
    Flapping = "flapping", Fail;
    /// A submission port offers no AUTH that Gmail can use.
    NoAuthOffered = "no-auth-offered", Fail;
    /// The private key in a file is not the certificate's.
    KeyMismatch = "key-mismatch", Fail;
    /// The host does not hold what the MTA-STS policy of the domain says (RFC 8461).
    MtaStsMismatch = "mta-sts-mismatch", Fail;

    // Could not be tested.
    /// No answer in time.
    Timeout = "timeout", Unknown;
    /// No route to the address.
    Unreachable = "unreachable", Unknown;
    /// The server says to come back later (4xx).
    TemporaryRefusal = "temporary-refusal", Unknown;
    /// The DNS gave no answer for a name.
    DnsFailure = "dns-failure", Unknown;
    /// The name does not exist or has no address.
    NoSuchHost = "no-such-host", Unknown;
    /// The listener waits for a PROXY header.
    ProxyProtocolExpected = "proxy-protocol-expected", Unknown;
    /// This machine cannot reach the port of a server.
    PortBlocked = "port-blocked", Unknown;

    // Accepted, to be mended.
    /// The certificate ends soon.
    ExpiresSoon = "expires-soon", Warn;
    /// The chain is sent in a wrong order.
    ChainOrder = "chain-order", Warn;
    /// A certificate is sent twice.
    ChainDuplicate = "chain-duplicate", Warn;
    /// An unrelated certificate is sent along.
    ChainExtra = "chain-extra", Warn;
    /// The root is sent along.
    RootSent = "root-sent", Warn;
    /// More certificates than any sender needs.
    ChainTooLong = "chain-too-long", Warn;
    /// A certificate that is unusually large.
    LargeCertificate = "large-certificate", Warn;
    /// A key a sender may not know.
    UnusualKey = "unusual-key", Warn;
    /// Clients without SNI get a certificate that does not cover the host.
    NoSniDiffers = "no-sni-differs", Warn;
    /// Clients without SNI get no session.
    NoSniFails = "no-sni-fails", Warn;
    /// Commands sent before TLS are obeyed after it (CVE-2011-0411).
    StarttlsInjection = "starttls-injection", Warn;
    /// TLS 1.0 or 1.1 is still offered.
    OldProtocolOffered = "old-protocol-offered", Warn;
    /// Only cipher suites that modern libraries refuse.
    WeakCiphers = "weak-ciphers", Warn;
    /// Only key exchanges without forward secrecy.
    NoForwardSecrecy = "no-forward-secrecy", Warn;
    /// The port speaks TLS at once but was asked by STARTTLS.
    ImplicitTlsExpected = "implicit-tls-expected", Warn;
    /// The addresses of one host show certificates of different quality.
    AddressesDiffer = "addresses-differ", Warn;
    /// A login is offered before TLS.
    AuthBeforeTls = "auth-before-tls", Warn;
    /// Clients that name a host the server does not know get no session.
    UnknownSniFails = "unknown-sni-fails", Warn;
    /// Whether the certificate is revoked could not be told.
    RevocationUnknown = "revocation-unknown", Note;
    /// The TLSA records of the host name another certificate (RFC 7672).
    DaneMismatch = "dane-mismatch", Warn;
    /// The TLSA records of the host cannot be read, so DANE senders wait (RFC 7672 section 2.2).
    DaneBroken = "dane-broken", Warn;
    /// A trust store of this machine refuses what the roots that decide accept.
    SystemRootsDiffer = "system-roots-differ", Warn;
    /// A TLS policy of this machine forbids what a server speaks.
    LocalPolicy = "local-policy", Warn;

    // What discovery finds.
    /// The domain says it takes no mail (RFC 7505).
    NullMx = "null-mx", Note;
    /// The domain publishes no MX record; its own address is used (RFC 5321 section 5.1).
    NoMx = "no-mx", Warn;
    /// An MX or SRV record points to an alias (RFC 2181 section 10.3).
    MxIsAlias = "mx-is-alias", Warn;
    /// An MX record names an address instead of a host.
    MxIsAddress = "mx-is-address", Warn;
    /// A record names something that is no host name.
    BadName = "bad-name", Warn;
    /// More records than any domain needs; the rest were left out.
    TooManyRecords = "too-many-records", Warn;
    /// DNSSEC says the answer is forged or the zone is broken.
    DnsBogus = "dns-bogus", Warn;
    /// Only some of a host's addresses are this machine's.
    PointsPartly = "points-partly", Warn;
    /// The host's addresses are another machine's.
    PointsElsewhere = "points-elsewhere", Note;
    /// The host is also an MX on another machine: http-01 may land there.
    MxElsewhere = "mx-elsewhere", Note;
    /// The MTA-STS record or policy cannot be used (RFC 8461).
    MtaStsBroken = "mta-sts-broken", Warn;
    /// The MTA-STS policy protects nothing, or not for long.
    MtaStsWeak = "mta-sts-weak", Note;
    /// The TLS-RPT record cannot be used (RFC 8460).
    TlsRptBroken = "tls-rpt-broken", Warn;
    /// The TLSA records count for nobody: no DNSSEC, or of a kind that does not count.
    DaneUnusable = "dane-unusable", Note;

    // What issuing finds.
    /// Another chain of the CA is taken than its default or the preferred one.
    OtherChain = "other-chain", Warn;
    /// A CAA record forbids the CA to issue (RFC 8659).
    CaaForbids = "caa-forbids", Fail;
    /// The CAA records could not be read.
    CaaUnknown = "caa-unknown", Warn;
    /// Another server answers on port 80 for the name.
    PreflightWrong = "preflight-wrong", Fail;
    /// The name cannot be tried from here; the CA is asked all the same.
    PreflightUnseen = "preflight-unseen", Note;
    /// The record that dns-01 needs cannot be put into the zone, or not all its servers show it.
    Dns01Failed = "dns-01-failed", Fail;
    /// A challenge's record is left in the DNS, and nothing that is configured can take it away.
    RecordLeft = "record-left", Warn;
    /// The CA refused a name.
    NameRefused = "name-refused", Fail;
    /// The CA refused or failed.
    OrderFailed = "order-failed", Fail;
    /// Waiting, after a refusal, before the next try.
    HeldBack = "held-back", Fail;
    /// Somebody wants a certificate left as it is, and another one is due.
    OnHold = "on-hold", Warn;
    /// A published TLSA record does not match the key (RFC 7672).
    TlsaMismatch = "tlsa-mismatch", Fail;
    /// A key is not used before its TLSA record stands at every server of the zone.
    TlsaWaits = "tlsa-waits", Note;
    /// A TLSA record pins a CA's key, which signs no more or may not sign the next certificate.
    TlsaRetiredCa = "tlsa-retired-ca", Warn;
    /// The CA gives no answer.
    CaUnreachable = "ca-unreachable", Fail;
    /// Orders wait for their turn within the CA's limits.
    OrdersSpread = "orders-spread", Note;
    /// The CA issues no more for now.
    RateLimited = "rate-limited", Fail;

    // What the survey finds.
    /// A server does not use the files mailcert writes.
    HookMissing = "hook-missing", Fail;
    /// A program the configuration names is not there.
    ProgramMissing = "program-missing", Fail;
    /// A directory the configuration names is not there.
    DirectoryMissing = "directory-missing", Fail;
    /// A mail server is set up here but does not run.
    ServerNotRunning = "server-not-running", Fail;
    /// A server could not be asked for its settings.
    ServerUnreadable = "server-unreadable", Fail;
    /// A panel manages this server; its own way is named.
    PanelManaged = "panel-managed", Note;
    /// The server's configuration was edited after its last reload.
    UnpublishedEdit = "unpublished-edit", Warn;
    /// A private key can be read by others.
    KeyExposed = "key-exposed", Fail;
    /// MX names that the default certificate does not cover.
    DefaultUncovered = "default-uncovered", Warn;
    /// A server does not show the RSA certificate beside the other.
    RsaNotShown = "rsa-not-shown", Warn;
    /// Installing or reloading did not work.
    StepFailed = "step-failed", Fail;
    /// Who is to be told of a problem could not be told.
    NotifyFailed = "notify-failed", Warn;
    /// A new certificate made a name worse and was taken back.
    RolledBack = "rolled-back", Fail;
    /// No mail server was found on this machine.
    NoServer = "no-server", Warn;
    /// A certificate that cannot be used: the pair does not match, or it is damaged.
    StoreDamaged = "store-damaged", Warn;
    /// A server sends mail to others in the clear.
    OutboundTlsOff = "outbound-tls-off", Warn;
    /// A server offers no TLS to those who bring mail.
    InboundTlsOff = "inbound-tls-off", Warn;
    /// A git repository (etckeeper's) holds a private key, or takes one in at the next commit.
    KeyInGit = "key-in-git", Warn;
    /// Two mail servers of one machine are in each other's way.
    MtaShadowed = "mta-shadowed", Warn;
    /// The server's certificate is shown to other servers as a client's.
    ClientCertificate = "client-certificate", Warn;
    /// Something still counts on OCSP, which the CA no longer answers.
    OcspLeftover = "ocsp-leftover", Warn;
    /// A setting names a map of a type this Postfix does not have.
    MapTypeMissing = "map-type-missing", Warn;
    /// A setting allows TLS 1.1 or older (RFC 8996).
    OldProtocolAllowed = "old-protocol-allowed", Note;
    /// Dovecot's `local` and `local_name` blocks contradict each other.
    FilterConflict = "filter-conflict", Warn;
    /// A certificate is held that no wanted name asks for.
    CertificateUnasked = "certificate-unasked", Note;
    /// A certificate that others made cannot be used.
    SourceUnusable = "source-unusable", Warn;
    /// A certificate that others made is not renewed by its owner.
    SourceOverdue = "source-overdue", Warn;
    /// No certificate of others is good for a name, and none may be ordered.
    SourceMissing = "source-missing", Fail;
    /// Others have certificates here that could be used.
    SourceFound = "source-found", Note;
    /// So many `local_name` blocks that they slow Dovecot down.
    ManyBlocks = "many-blocks", Warn;
    /// A server listens on a published port and nobody gets an answer there.
    PortSilent = "port-silent", Unknown;
    /// A new certificate that senders would refuse is not installed.
    ChainRefused = "chain-refused", Fail;
    /// A service of master.cf has TLS files of its own.
    ServiceOverride = "service-override", Warn;
    /// A server looks a name up in the letters that the client wrote it in.
    SniCase = "sni-case", Note;
}

impl Code {
    /// The code with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is so, in the world and not in our work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// How much it weighs.
    pub level: Level,
    /// What it is about: a host, a domain, a server, a path.
    pub subject: String,
    /// One sentence that names the thing, the found and the expected.
    pub message: String,
}

impl Finding {
    /// A finding at its code's own level.
    #[must_use]
    pub fn new(code: Code, subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { code, level: code.level(), subject: subject.to_string(), message: message.into() }
    }

    /// The same at another level.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}
