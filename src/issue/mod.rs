//! One order at the CA: account, preflight, CAA, challenges, from names to chain and key.
//!
//! It installs nothing and knows no mail server. Names that cannot be certified are left out, each
//! with a finding; the others are not held up by them.

mod acme;
mod alpn;
mod book;
mod by_host;
mod caa;
mod dns01;
mod door;
mod key;
mod listen;
mod memory;
mod preflight;
mod presented;
mod run;
mod solvers;
mod taken;
mod webroot;

pub use acme::{
    AccountSeen, Acme, Directory, Meta, Registered, Standing, persistent_value, profile_unoffered,
};
pub use alpn::Alpn;
pub use book::{Book, FORGOTTEN};
pub use caa::{Caa, check as check_caa};
pub use dns01::{Records, left_in_dns, missing_records};
pub use key::make_key;
pub use listen::Listener;
pub use memory::{Fetch, MemoryCa};
pub use preflight::{Seen, preflight};
pub use run::issue;
pub use solvers::Solvers;
pub use taken::holder as port_holder;
pub use webroot::Webroot;

use std::time::Duration;

use async_trait::async_trait;

use crate::model::{
    AnsweredFrom, Bundle, Challenge, Code, DnsId, Finding, KeyType, PrivateKey, Renewal,
};

/// What is wanted of the CA.
pub struct Order {
    /// The names to put on the certificate.
    pub names: Vec<DnsId>,
    /// Those of them without which there is to be no certificate: they work on what is held, and a
    /// newer version without them would take its place.
    pub must_stay: Vec<DnsId>,
    /// Those of them for which it is ordered, where what is held is good for the others: without any
    /// of these there is to be no certificate either, since one like it is there. Empty: for all.
    pub sake: Vec<DnsId>,
    /// Those of them that an earlier order failed for: the CA's staging directory is asked about
    /// them first, where it has one.
    pub failed: Vec<DnsId>,
    /// The kind of key to make.
    pub key_type: KeyType,
    /// A key to use again instead.
    pub key: Option<PrivateKey>,
    /// The CA's profile.
    pub profile: Option<String>,
    /// The certificate (DER) whose renewal the CA suggested (RFC 9773 section 5).
    pub replaces: Option<Vec<u8>>,
}

/// What a new order at the CA says.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its identifiers.
    pub names: &'a [DnsId],
    /// The profile, if one is wanted.
    pub profile: Option<&'a str>,
    /// The certificate (DER) that it replaces: such orders count for no limit.
    pub replaces: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    /// For these names, and nothing else.
    #[must_use]
    pub fn of(names: &'a [DnsId]) -> Self {
        Self { names, profile: None, replaces: None }
    }
}

/// What a CA said of the renewal of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggested {
    /// The window; `None` where the CA has none to suggest.
    pub renewal: Option<Renewal>,
    /// How long its answer holds.
    pub again: Duration,
}

/// Why a CA said nothing of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    /// One sentence.
    pub why: String,
    /// When to ask again, where it said that.
    pub again: Option<Duration>,
    /// Whether it answers nobody just now.
    pub down: bool,
}

impl Unsaid {
    fn of(why: String) -> Self {
        Self { why, again: None, down: false }
    }

    fn down(why: String) -> Self {
        Self { why, again: None, down: true }
    }
}

impl Order {
    /// One for these names and nothing else.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = impl Into<DnsId>>, key_type: KeyType) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        let (must_stay, sake, failed) = (Vec::new(), Vec::new(), Vec::new());
        Self { names, must_stay, sake, failed, key_type, key: None, profile: None, replaces: None }
    }
}

/// What a CA issued for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The chain that it gives by itself (PEM), leaf first.
    pub pem: String,
    /// Where it has others for the same certificate (RFC 8555 section 7.4.2).
    pub alternates: Vec<String>,
}

/// What came of an order.
pub struct Issued {
    /// Key and chain.
    pub bundle: Bundle,
    /// Where the CA has other chains, for [`Ca::alternate`].
    pub alternates: Vec<String>,
    /// The names that were left out because the CA, the CAA records or the preflight refused
    /// them, one finding each.
    pub left_out: Vec<(DnsId, Finding)>,
    /// Whose reason that was.
    pub cause: Cause,
    /// What else was noticed.
    pub findings: Vec<Finding>,
}

/// Why there is no certificate. It is data: the flow writes it into the diary.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What was said: about names, or about the order as a whole.
    pub findings: Vec<Finding>,
    /// The names at fault, if names are.
    pub names: Vec<DnsId>,
    /// The CA's Retry-After.
    pub retry_after: Option<Duration>,
    /// Whose reason it is.
    pub cause: Cause,
}

/// Whose reason a refusal is, and so whether another CA could do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ours, or nothing was asked of the CA, or its answer is still to come: it is asked again.
    Ours,
    /// The CA gives no answer that is one: another could be asked.
    Down,
    /// The CA's own: its rules, its limits, what it makes of the account, or CAA records that name
    /// others. Another CA may think otherwise.
    Ca,
    /// The names': the CA could not validate them, and no other could.
    Names,
}

impl Refusal {
    /// One the CA has no part in.
    fn of_our_own(subject: &str, why: String) -> Self {
        let findings = vec![Finding::new(Code::OrderFailed, subject, why)];
        Self { findings, names: Vec::new(), retry_after: None, cause: Cause::Ours }
    }

    /// The beginning of one: it says nothing yet.
    fn nothing() -> Self {
        Self { findings: Vec::new(), names: Vec::new(), retry_after: None, cause: Cause::Ours }
    }

    /// Whether the CA refused; not when it could not be asked (down, unreachable), or when nothing
    /// was asked of it.
    #[must_use]
    pub fn by_ca(&self) -> bool {
        matches!(self.cause, Cause::Ca | Cause::Names)
    }

    /// All of it in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let said: Vec<&str> =
            self.findings.iter().map(|finding| finding.message.as_str()).collect();
        said.join("; ")
    }
}

/// Who signs a revocation.
#[derive(Clone, Copy)]
pub enum SignedBy<'a> {
    /// Our account, which has to be the one that ordered it (or that holds all of its names).
    Account,
    /// The certificate's own key.
    Certificate(&'a PrivateKey),
}

/// Puts answers where the CA looks for them.
#[async_trait]
pub trait Solver: Send + Sync {
    /// Which challenge is answered for `host`: the CA is asked for this one and no other.
    fn kind(&self, host: &DnsId) -> Challenge {
        // A wildcard takes no other.
        if host.is_wildcard() { Challenge::Dns01 } else { Challenge::Http01 }
    }

    /// From where http-01 is answered for `host`: what is to be done where it is not depends on it.
    fn answered_from(&self, host: &DnsId) -> AnsweredFrom {
        let _ = host;
        AnsweredFrom::Port
    }

    /// Presents `key_authorization`: at `/.well-known/acme-challenge/TOKEN` of `host` for http-01,
    /// its SHA-256 ([`digest`]) for the other kinds.
    ///
    /// # Errors
    /// A sentence that says what stands in the way and what to do.
    async fn present(
        &self,
        host: &DnsId,
        token: &str,
        key_authorization: &str,
    ) -> Result<(), String>;

    /// Tries whether something could be presented for `host`, and changes nothing; for kinds that
    /// the preflight cannot look at. A name that fails is left out of the order.
    ///
    /// # Errors
    /// As of [`Solver::present`].
    async fn rehearse(&self, host: &DnsId) -> Result<(), String> {
        let _ = host;
        Ok(())
    }

    /// Waits until the CA will see what was presented for these hosts. Asked once before the CA is
    /// told, when everything of an order is presented.
    ///
    /// # Errors
    /// The hosts it is not to be seen for, each with a sentence that says who does not show it and
    /// what to do.
    async fn settle(&self, hosts: &[DnsId]) -> Result<(), Vec<(DnsId, String)>> {
        let _ = hosts;
        Ok(())
    }

    /// Takes away what a run that was killed has left, where that is written down. Never fails:
    /// what cannot be removed is logged and tried again by the next run.
    async fn sweep(&self) {}

    /// Takes it away again. Never fails: what cannot be removed is logged. What matters is done
    /// at the first poll, so that a dropped future can still clear what it presented.
    async fn clear(&self, host: &DnsId, token: &str);
}

/// The SHA-256 of a key authorization: what tls-alpn-01 shows (RFC 8737 section 3) and, in
/// base64url, dns-01 (RFC 8555 section 8.4).
#[must_use]
pub fn digest(key_authorization: &str) -> [u8; 32] {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key_authorization.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// A certification authority: ACME, or the one in memory of the tests.
#[async_trait]
pub trait Ca: Send + Sync {
    /// One order up to where it is ready to be finalized: authorizations, challenges through
    /// `solver`. Returns its URL, which is all that [`Ca::finish`] needs in whatever process.
    ///
    /// # Errors
    /// [`Refusal`] names the identifiers at fault, the CA's problem type, its detail and the
    /// subproblems.
    async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal>;

    /// The rest of an order for `names`, from where it stands: finalized with the CSR (DER),
    /// waited for, downloaded. Asked again, it returns the same.
    ///
    /// # Errors
    /// [`Refusal`] by the CA when nothing can become of it: the CA does not know it, or it is
    /// invalid.
    async fn finish(&self, url: &str, names: &[DnsId], csr: &[u8]) -> Result<Chain, Refusal>;

    /// Another chain (PEM) for a certificate that was issued, by its URL of [`Chain::alternates`].
    ///
    /// # Errors
    /// [`Refusal`] when it cannot be had; the certificate is none the worse for it.
    async fn alternate(&self, url: &str) -> Result<String, Refusal> {
        Err(Refusal::of_our_own(url, "this CA has one chain for each certificate".to_owned()))
    }

    /// Has the CA validate one name and orders nothing: tried first where nothing can be seen from
    /// here, since every failure counts against the account.
    ///
    /// # Errors
    /// [`Refusal`], naming the name where the CA refused it.
    async fn scout(&self, name: &DnsId, solver: &dyn Solver) -> Result<(), Refusal> {
        let _ = (name, solver);
        Ok(())
    }

    /// Has the CA's staging directory validate these names, of which an earlier order failed: it
    /// issues for nothing, and a failure there counts for nothing. The names that passed; none
    /// where there is no such directory, or it cannot be asked just now.
    ///
    /// # Errors
    /// [`Refusal`], naming the names that failed again.
    async fn rehearse(&self, names: &[DnsId], solver: &dyn Solver) -> Result<Vec<DnsId>, Refusal> {
        let _ = (names, solver);
        Ok(Vec::new())
    }

    /// When the CA wants a certificate (DER) renewed. Asks for nothing else; its directory may be
    /// one that an earlier run saw.
    ///
    /// # Errors
    /// [`Unsaid`]: the usual rule holds then.
    async fn suggested(&self, certificate: &[u8]) -> Result<Suggested, Unsaid> {
        let _ = certificate;
        Ok(Suggested { renewal: None, again: Duration::from_secs(24 * 3600) })
    }

    /// The identities the CA accepts in CAA records (`meta.caaIdentities`) and the account's URL,
    /// for the check before the order.
    ///
    /// # Errors
    /// [`Refusal`] when the directory or the account cannot be had.
    async fn identity(&self) -> Result<CaIdentity, Refusal>;

    /// The same without making an account, for a look that changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] when the directory cannot be had.
    async fn caa_identity(&self) -> Result<CaIdentity, Refusal> {
        self.identity().await
    }
}

/// Who the CA says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaIdentity {
    /// `meta.caaIdentities`; empty where the CA names none (no CAA check is possible then).
    pub caa: Vec<String>,
    /// The account's URL, for `accounturi` (RFC 8657).
    pub account: Option<String>,
    /// The port the CA asks for http-01 answers on (80 everywhere but in tests); `None` where it
    /// asks in another way, so that there is nothing to try first.
    pub http_port: Option<u16>,
}

/// Where CAs look for answers (RFC 8555 section 8.3), the token follows.
const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";
