//! Splits what webpki calls an unknown issuer into its stories: signed by itself, an issuer that
//! is not sent, another's that is sent instead, a root that is not public.
//!
//! The chain is finished with issuers that are known, if it can be: that proves which is missing.

use super::known;
use super::path::{End, Path};
use crate::model::{Code, Stage, Timestamp};
use crate::trust::Roots;
use crate::verify::Fault;
use crate::verify::judge::Known;
use crate::verify::judge::cert::Cert;

/// Why a chain reaches no root.
pub(super) struct Story {
    pub(super) faults: Vec<Fault>,
    /// Where the next issuer's certificate is published, if that may tell more.
    pub(super) issuer_url: Option<String>,
}

/// Why the path of what was sent reaches no root; nothing if it does.
pub(super) fn story(sent: &[Cert], path: &Path<'_>, known: Known<'_>, now: Timestamp) -> Story {
    match path.end {
        End::Trusted(_) => return Story { faults: Vec::new(), issuer_url: None },
        End::Itself if path.certificates.len() == 1 => {
            return Story { faults: vec![self_signed(&sent[0], known.roots)], issuer_url: None };
        }
        End::Itself => {
            let root = not_public(&path.top().subject, &path.top().spki_raw, path, known.roots);
            return Story { faults: vec![root], issuer_url: None };
        }
        End::Open => {}
    }
    let mut pool: Vec<Cert> = known::bundled().to_vec();
    pool.extend(known.intermediates.iter().filter_map(|der| Cert::parse(der).ok()));
    let finished = Path::find(sent, &pool, known.roots, now);
    let scene = Scene { sent, path, finished: &finished, roots: known.roots };
    let issuer_url =
        matches!(finished.end, End::Open).then(|| finished.top().issuer_url.clone()).flatten();
    Story { faults: scene.faults(), issuer_url }
}

fn fault(code: Code, expected: String, found: Vec<String>, why: String) -> Fault {
    Fault { expected: Some(expected), found, why: Some(why), ..Fault::new(code, Stage::Chain) }
}

fn self_signed(leaf: &Cert, roots: &Roots) -> Fault {
    Fault {
        expected: Some(format!("a certificate of a CA among {}", roots.name)),
        found: vec![format!("{}, signed with its own key", leaf.subject)],
        ..Fault::new(Code::SelfSigned, Stage::Chain)
    }
}

/// A root that senders do not know, by its subject; `key` is empty where it was not seen.
fn not_public(subject: &str, key: &[u8], path: &Path<'_>, roots: &Roots) -> Fault {
    let test = || path.certificates.iter().find_map(|one| known::testing(&one.issuer));
    let namesake = || {
        let raw = &path.top().issuer_raw;
        (roots.has_subject(raw) && !roots.has(raw, key))
            .then(|| "a root of this name is trusted, but it has another key".to_owned())
    };
    let why = test()
        .map(str::to_owned)
        .or_else(|| known::cross_signer(subject).map(|signer| short_chain(subject, signer)))
        .or_else(|| {
            known::retired(subject).map(|why| format!("it was public once and is no more: {why}"))
        })
        .or_else(namesake)
        .unwrap_or_else(|| {
            "a private CA, or one that is not public: only those who were given its root know it"
                .to_owned()
        });
    fault(
        Code::UntrustedRoot,
        format!("a root among {}", roots.name),
        vec![subject.to_owned()],
        why,
    )
}

/// Why a chain of Let's Encrypt that ends at one of its new roots is too short.
fn short_chain(root: &str, signer: &str) -> String {
    let name = root.rsplit('=').next().unwrap_or(root);
    format!(
        "the short chain of Let's Encrypt: public lists do not have {name} yet. Its default chain \
         goes on with {name} signed by {signer}; install that one (no preferred chain)"
    )
}

/// A chain whose last issuer is not there.
struct Scene<'a> {
    sent: &'a [Cert],
    /// As far as it goes with what was sent.
    path: &'a Path<'a>,
    /// As far as it goes with what is known beside.
    finished: &'a Path<'a>,
    roots: &'a Roots,
}

impl Scene<'_> {
    fn faults(&self) -> Vec<Fault> {
        let top = self.path.top();
        if let (Some(signer), false) = (known::cross_signer(&top.issuer), self.is_alone()) {
            return vec![self.ends_at_new_root(signer)];
        }
        if self.finished.is_trusted() {
            return vec![self.gap(self.proof())];
        }
        let test = known::testing(&top.issuer).is_some();
        let private = match self.finished.end {
            // With what is known it ends at a root: that one is not public.
            End::Itself => Some(self.finished.top()),
            _ => None,
        };
        let missing = self.finished.certificates.len() - self.path.certificates.len();
        match private {
            // The rest of its default chain is known by name, if not here.
            Some(root) if self.is_alone() && known::cross_signer(&root.subject).is_some() => {
                let signer = known::cross_signer(&root.subject).unwrap_or_default();
                let more = format!("; {} signed by {signer} belongs to it, too", root.subject);
                vec![self.gap(self.proof() + &more)]
            }
            Some(root) => {
                let fault = not_public(&root.subject, &root.spki_raw, self.finished, self.roots);
                let gap = (missing > 1).then(|| self.gap(self.proof()));
                gap.into_iter().chain([fault]).collect()
            }
            None if test && self.is_alone() => {
                vec![self.gap(self.unproven()), self.unknown_root()]
            }
            None if self.roots.has_subject(&top.issuer_raw)
                && self.strangers().next().is_none() =>
            {
                vec![self.unknown_root()]
            }
            None if self.is_alone() || self.namesake().is_some() || missing > 0 => {
                vec![self.gap(self.unproven())]
            }
            None => vec![self.unknown_root()],
        }
    }

    /// Whether nothing that was sent signed the leaf.
    fn is_alone(&self) -> bool {
        self.path.certificates.len() == 1
    }

    /// CAs that were sent and signed nothing of the path, without roots.
    fn strangers(&self) -> impl Iterator<Item = &Cert> {
        let used = |one: &&Cert| self.path.certificates.iter().any(|used| used.der == one.der);
        let strange = move |one: &&Cert| one.is_ca && !one.names_itself() && !used(one);
        self.sent[1..].iter().filter(strange)
    }

    /// What was sent under the name of the issuer and is not the issuer.
    fn namesake(&self) -> Option<&Cert> {
        self.strangers().find(|one| one.subject_raw == self.path.top().issuer_raw)
    }

    /// The issuer's certificate is missing, or another's is there instead.
    fn gap(&self, why: String) -> Fault {
        let top = self.path.top();
        let mut wrong: Vec<String> = self.strangers().map(|one| one.subject.clone()).collect();
        if let Some(namesake) = self.namesake() {
            wrong = vec![namesake.subject.clone()];
        } else if !self.is_alone() {
            wrong.clear();
        }
        if wrong.is_empty() {
            let expected = format!("the certificate of {} sent along", top.issuer);
            return fault(Code::MissingIntermediate, expected, vec![self.only()], why);
        }
        let expected = format!("the certificate of {} that signed {}", top.issuer, self.whom());
        let why = format!("{}; {why}", self.how_wrong());
        fault(Code::WrongIntermediate, expected, wrong, why)
    }

    /// Whose issuer it is about.
    fn whom(&self) -> String {
        if self.is_alone() { "it".to_owned() } else { self.path.top().subject.clone() }
    }

    fn only(&self) -> String {
        match (self.path.certificates.len(), self.sent.len()) {
            (1, 1) => "only the server's own certificate".to_owned(),
            (1, all) => {
                format!("the server's own certificate and {} that did not sign it", all - 1)
            }
            (way, _) => format!("{way} certificates, the last of {}", self.path.top().subject),
        }
    }

    /// In what the intermediate that was sent is not the issuer.
    fn how_wrong(&self) -> String {
        let top = self.path.top();
        let Some(namesake) = self.namesake() else {
            return "the certificate sent after the leaf did not sign it: the names differ"
                .to_owned();
        };
        match (&top.authority_key, &namesake.subject_key) {
            (Some(wanted), Some(has)) if wanted != has => format!(
                "the name is right, but the key identifiers differ: {} signed it, {} was sent",
                hex(wanted),
                hex(has)
            ),
            _ => "the name is right, but another key made the signature".to_owned(),
        }
    }

    /// What is missing, proved: with it the chain reaches a root, public or not.
    fn proof(&self) -> String {
        let missing: Vec<&str> = self.added().iter().map(|one| one.subject.as_str()).collect();
        let with = if missing.len() == 1 { "it" } else { "them" };
        let root = self.finished.root().unwrap_or_default();
        format!("missing: {}; with {with} the chain reaches {root}", missing.join(" and "))
    }

    /// What the finished path has beyond that which was sent, without a root.
    fn added(&self) -> Vec<&Cert> {
        let sent = |one: &Cert| self.sent.iter().any(|sent| sent.der == one.der);
        let all = self.finished.certificates.iter().copied();
        all.filter(|one| !one.names_itself() && !sent(one)).collect()
    }

    /// What can be said of an issuer that nothing here leads on from.
    fn unproven(&self) -> String {
        let top = self.path.top();
        let added = self.added();
        if let Some(last) = added.last() {
            return format!(
                "missing: {}; whether that leads to a public root is not known here",
                last.subject
            );
        }
        if let Some(name) = known::lets_encrypt(&top.issuer) {
            return format!(
                "by its name {name} is an intermediate of Let's Encrypt; --aia fetches it as a proof"
            );
        }
        let short = &top.issuer_short;
        if known::testing(&top.issuer).is_some() {
            return format!("{short} signed it");
        }
        match &top.issuer_url {
            Some(url) => format!(
                "{short} signed it and is no root that senders know. Whether it leads to one is \
                 not known here: --aia asks at {url}"
            ),
            None => format!(
                "{short} signed it and is no root that senders know. Whether it leads to one, or \
                 is a private CA, is not known here"
            ),
        }
    }

    /// A chain that goes up to an issuer which nobody knows.
    fn unknown_root(&self) -> Fault {
        not_public(&self.path.top().issuer, &[], self.path, self.roots)
    }

    fn ends_at_new_root(&self, signer: &str) -> Fault {
        let mut fault = self.unknown_root();
        if self.finished.is_trusted() {
            let why = short_chain(&self.path.top().issuer, signer);
            fault.why = Some(format!("{why}: with it this chain holds"));
        }
        fault
    }
}

/// A key identifier as far as people compare it.
fn hex(id: &[u8]) -> String {
    id.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>() + ".."
}
