//! [`MemoryCa`]: a CA in memory, for tests and trials. Its certificates are real and nobody
//! trusts them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PublicKeyData, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::issue::preflight::random_token;
use crate::issue::presented::Presented;
use crate::issue::{Ca, CaIdentity, Cause, Chain, Refusal, Solver, Wanted};
use crate::model::{Code, DnsId, Finding, Timestamp};

/// Asks for a token at a host as a CA would, and returns what came.
pub type Fetch = dyn Fn(&DnsId, &str) -> Option<String> + Send + Sync;

/// A test CA: a root and an intermediate made when it is, certificates of 90 days. It validates
/// through the solver and, where it is given one, a closure that fetches what is presented.
pub struct MemoryCa {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    now: OffsetDateTime,
    identity: CaIdentity,
    fetch: Option<Box<Fetch>>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    refused: BTreeSet<DnsId>,
    declined: BTreeSet<DnsId>,
    down: bool,
    orders: Vec<Vec<DnsId>>,
    /// Orders that are ready, with the chain where they are valid.
    ready: BTreeMap<String, Option<String>>,
}

impl MemoryCa {
    /// A CA whose certificates begin at `now`.
    ///
    /// # Errors
    /// A sentence, when a key or certificate cannot be made.
    pub fn new(now: Timestamp) -> Result<Self, String> {
        let now = OffsetDateTime::from_unix_timestamp(now.unix()).map_err(|e| e.to_string())?;
        let made = || {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let params = authority("mailcert test root", now);
            let root = params.self_signed(&key)?;
            let root_issuer = Issuer::new(params, key);
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let params = authority("mailcert test intermediate", now);
            let intermediate = params.signed_by(&key, &root_issuer)?;
            Ok::<_, rcgen::Error>((root, intermediate, Issuer::new(params, key)))
        };
        let (root, intermediate, issuer) = made().map_err(|e| e.to_string())?;
        let identity = CaIdentity::default();
        let told = Mutex::default();
        Ok(Self { root, intermediate, issuer, now, identity, fetch: None, told })
    }

    /// The same with these CAA identities, this account, this port for the preflight.
    #[must_use]
    pub fn with_identity(mut self, identity: CaIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// The same, fetching each challenge by this closure and refusing what does not fit.
    #[must_use]
    pub fn fetching(mut self, fetch: Box<Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// The root in PEM: whoever trusts it trusts what this CA issues.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// From now on this name is refused.
    pub fn refuse(&self, name: DnsId) {
        self.told().refused.insert(name);
    }

    /// From now on this name is against its policy.
    pub fn decline(&self, name: DnsId) {
        self.told().declined.insert(name);
    }

    /// Whether the CA cannot be reached from now on.
    pub fn set_down(&self, down: bool) {
        self.told().down = down;
    }

    /// The names of every order so far, refused ones included.
    #[must_use]
    pub fn orders(&self) -> Vec<Vec<DnsId>> {
        self.told().orders.clone()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it knows no order.
    pub fn forget_orders(&self) {
        self.told().ready.clear();
    }

    /// Refuses what it was told to refuse.
    fn admit(&self, names: &[DnsId]) -> Result<(), Refusal> {
        let mut told = self.told();
        if told.down {
            return Err(down());
        }
        told.orders.push(names.to_vec());
        let of = |set: &BTreeSet<DnsId>| -> Vec<DnsId> {
            names.iter().filter(|name| set.contains(name)).cloned().collect()
        };
        let declined = of(&told.declined);
        if !declined.is_empty() {
            let why = "its policy forbids it";
            return Err(Refusal { cause: Cause::Ca, ..refusal(declined, why) });
        }
        let bad = of(&told.refused);
        if bad.is_empty() { Ok(()) } else { Err(refusal(bad, "it was told to refuse it")) }
    }

    async fn validate(&self, names: &[DnsId], solver: &dyn Solver) -> Result<(), Refusal> {
        let mut shown = Presented::by(solver);
        let mut bad = Vec::new();
        for name in names {
            let token = random_token();
            let answer = format!("{token}.test");
            shown.add(name, &token, &answer).await.map_err(|why| refusal(Vec::new(), &why))?;
            let fetched = self.fetch.as_ref().map(|fetch| fetch(name, &token));
            if fetched.is_some_and(|came| came.as_deref() != Some(answer.as_str())) {
                bad.push(name.clone());
            }
        }
        shown.clear().await;
        if bad.is_empty() { Ok(()) } else { Err(refusal(bad, "its answer was not there")) }
    }

    fn sign(&self, names: &[DnsId], csr: &[u8]) -> Result<String, String> {
        let (_, request) = X509CertificationRequest::from_der(csr).map_err(|e| e.to_string())?;
        let spki = &request.certification_request_info.subject_pki;
        let point = spki.subject_public_key.data.to_vec();
        // 04 and two coordinates of 32 or 48 bytes.
        let algorithm: &'static SignatureAlgorithm =
            if point.len() == 65 { &PKCS_ECDSA_P256_SHA256 } else { &PKCS_ECDSA_P384_SHA384 };
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(texts).map_err(|e| e.to_string())?;
        params.distinguished_name = DistinguishedName::new();
        params.not_before = self.now;
        params.not_after = self.now + Duration::days(90);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params
            .signed_by(&Requested { point, algorithm }, &self.issuer)
            .map_err(|e| e.to_string())?;
        Ok(format!("{}{}", leaf.pem(), self.intermediate.pem()))
    }
}

/// The public key of a request.
struct Requested {
    point: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

#[async_trait]
impl Ca for MemoryCa {
    async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal> {
        let names = wanted.names;
        self.admit(names)?;
        self.validate(names, solver).await?;
        let mut told = self.told();
        let url = format!("memory:order/{}", told.orders.len());
        told.ready.insert(url.clone(), None);
        Ok(url)
    }

    async fn finish(&self, url: &str, names: &[DnsId], csr: &[u8]) -> Result<Chain, Refusal> {
        let mut told = self.told();
        if told.down {
            return Err(down());
        }
        let unknown =
            || Refusal { cause: Cause::Ca, ..refusal(Vec::new(), "the CA has no such order") };
        let order = told.ready.get_mut(url).ok_or_else(unknown)?;
        let pem = match order {
            Some(chain) => chain.clone(),
            None => {
                let chain = self.sign(names, csr).map_err(|why| refusal(Vec::new(), &why))?;
                order.insert(chain).clone()
            }
        };
        Ok(Chain { pem, alternates: Vec::new() })
    }

    async fn scout(&self, name: &DnsId, solver: &dyn Solver) -> Result<(), Refusal> {
        let names = std::slice::from_ref(name);
        self.admit(names)?;
        self.validate(names, solver).await
    }

    async fn identity(&self) -> Result<CaIdentity, Refusal> {
        if self.told().down {
            return Err(down());
        }
        Ok(self.identity.clone())
    }
}

/// It cannot be asked.
fn down() -> Refusal {
    let why = "the CA cannot be asked: it was told to be down";
    Refusal { cause: Cause::Down, ..refusal(Vec::new(), why) }
}

fn refusal(names: Vec<DnsId>, why: &str) -> Refusal {
    let about =
        |name| Finding::new(Code::NameRefused, name, format!("{name}: the CA refused it: {why}"));
    let mut findings: Vec<_> = names.iter().map(about).collect();
    if findings.is_empty() {
        findings.push(Finding::new(Code::OrderFailed, "memory", why));
    }
    let cause = if names.is_empty() { Cause::Ours } else { Cause::Names };
    Refusal { findings, names, retry_after: None, cause }
}

fn authority(name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(3650);
    params
}
