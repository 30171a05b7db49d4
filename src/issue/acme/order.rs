//! One order from names to chain (RFC 8555 section 7.4).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, Error, Identifier,
    NewOrder, Order, OrderStatus,
};
use rustls_pki_types::CertificateDer;

use super::account::Session;
use super::kind::{kind, word};
use super::spy::Heard;
use super::{Acme, NONCE_TRIES, problem};
use crate::issue::presented::Presented;
use crate::issue::{Cause, Chain, Refusal, Solver, Wanted};
use crate::model::{Challenge, Code, DnsId, Finding};

/// What an order is made of.
pub(super) struct Ordering<'a> {
    pub(super) acme: &'a Acme,
    pub(super) wanted: Wanted<'a>,
}

/// An order as the CA last showed it.
pub(super) struct Open {
    pub(super) order: Order,
    heard: Ear,
}

impl Open {
    pub(super) fn url(&self) -> &str {
        self.order.url()
    }
}

/// Repeats a request after the library's own three tries: with half of all nonces refused, one
/// order in two would fail otherwise.
macro_rules! despite_bad_nonces {
    ($request:expr) => {{
        let mut tries = 0;
        loop {
            match $request {
                Err(e) if problem::is_bad_nonce(&e) && tries < NONCE_TRIES => tries += 1,
                other => break other,
            }
        }
    }};
}

type Ear = Arc<Mutex<Heard>>;

impl Ordering<'_> {
    /// A new order, validated.
    pub(super) async fn ready(&self, solver: &dyn Solver) -> Result<Open, Refusal> {
        let (mut order, heard) = self.start().await?;
        let mut shown = Presented::by(solver);
        let result = self.validate(&mut order, &heard, &mut shown).await;
        shown.clear().await;
        self.acme.note_persistent(&mut heard.lock().unwrap_or_else(PoisonError::into_inner));
        result.map(|()| Open { order, heard })
    }

    /// The chain, and where there are others; `known` is the order where it was made here.
    pub(super) async fn finish(
        &self,
        known: Option<Open>,
        url: &str,
        csr: &[u8],
    ) -> Result<Chain, Refusal> {
        let Open { mut order, heard } = match known {
            Some(open) => open,
            None => self.look(url).await?,
        };
        match order.state().status {
            OrderStatus::Ready => self.finalize(&mut order, csr).await?,
            OrderStatus::Processing | OrderStatus::Valid => {}
            OrderStatus::Invalid => return Err(self.explain(&mut order).await),
            OrderStatus::Pending => {
                let message = format!("the order at {url} was never ready");
                return Err(Refusal { cause: Cause::Ca, ..self.failed(message) });
            }
        }
        self.wait_for(&mut order, &heard, OrderStatus::Valid).await?;
        let chain = despite_bad_nonces!(order.certificate().await);
        match chain {
            Ok(Some(pem)) => {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Chain { pem, alternates: std::mem::take(&mut heard.alternates) })
            }
            Ok(None) => Err(self.failed("the CA has no certificate after a valid order".into())),
            Err(e) => Err(self.refusal(e)),
        }
    }

    /// An order of an earlier run.
    async fn look(&self, url: &str) -> Result<Open, Refusal> {
        let (spy, heard) = self.acme.spy().await?;
        let account = self.acme.session().await?.open(self.acme, spy).await?;
        let order = despite_bad_nonces!(account.order(url.to_owned()).await);
        order.map(|order| Open { order, heard }).map_err(|e| self.refusal(e))
    }

    async fn finalize(&self, order: &mut Order, csr: &[u8]) -> Result<(), Refusal> {
        let finalized = despite_bad_nonces!(order.finalize_csr(csr).await);
        if let Err(e) = finalized {
            // A request that was repeated after a broken connection may have worked the first
            // time; the order knows.
            let fresh = despite_bad_nonces!(order.refresh().await.map(|_| ()));
            let under_way = [OrderStatus::Processing, OrderStatus::Valid];
            if fresh.is_err() || !under_way.contains(&order.state().status) {
                return Err(self.refusal(e));
            }
        }
        Ok(())
    }

    /// The new order; with a new account where the CA does not know ours.
    async fn start(&self) -> Result<(Order, Ear), Refusal> {
        let session = self.acme.session().await?;
        match self.start_as(&session).await? {
            (Err(e), _) if problem::is_unknown_account(&e) => {}
            (result, heard) => return Ok((result.map_err(|e| self.refused_order(e))?, heard)),
        }
        let session = self.acme.session_after(&session).await?;
        let (result, heard) = self.start_as(&session).await?;
        Ok((result.map_err(|e| self.refused_order(e))?, heard))
    }

    async fn start_as(&self, session: &Session) -> Result<(Result<Order, Error>, Ear), Refusal> {
        let (spy, heard) = self.acme.spy().await?;
        let account: Account = session.open(self.acme, spy).await?;
        let replaces = self.wanted.replaces.map(CertificateDer::from);
        let replaces = replaces.and_then(|leaf| {
            CertificateIdentifier::try_from(&leaf).ok().map(CertificateIdentifier::into_owned)
        });
        let order = despite_bad_nonces!(self.place(&account, replaces.clone()).await);
        let order = match order {
            // The CA does not take it for what it replaces (it may have been replaced before, or
            // be another CA's): it is an order like any other then.
            Err(error) if replaces.is_some() && !problem::is(&error, "rateLimited") => {
                tracing::info!("ordering again, as a replacement of nothing: {error}");
                despite_bad_nonces!(self.place(&account, None).await)
            }
            order => order,
        };
        Ok((order, heard))
    }

    async fn place(
        &self,
        account: &Account,
        replaces: Option<CertificateIdentifier<'static>>,
    ) -> Result<Order, Error> {
        let identifiers: Vec<_> =
            self.wanted.names.iter().map(|name| Identifier::Dns(name.to_string())).collect();
        let mut wanted = NewOrder::new(&identifiers);
        if let Some(profile) = self.wanted.profile {
            wanted = wanted.profile(profile);
        }
        if let Some(replaces) = replaces {
            wanted = wanted.replaces(replaces);
        }
        account.new_order(&wanted).await
    }

    /// Presents all pending challenges together, says so, and waits until the order is ready.
    async fn validate(
        &self,
        order: &mut Order,
        heard: &Ear,
        shown: &mut Presented<'_>,
    ) -> Result<(), Refusal> {
        despite_bad_nonces!(load(order).await).map_err(|e| self.refusal(e))?;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            self.present(next.map_err(|e| self.refusal(e))?, shown).await?;
        }
        shown.settle().await.map_err(not_presented)?;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(|e| self.refusal(e))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = authorization.identifier().to_string();
            let Ok(host) = DnsId::parse(&name) else { continue };
            let kind = kind(shown.kind(&host));
            let Some(mut challenge) = authorization.challenge(kind) else { continue };
            let ready = despite_bad_nonces!(challenge.set_ready().await);
            ready.map_err(|e| self.refused_one(&name, e))?;
        }
        match order.state().status {
            OrderStatus::Ready => Ok(()),
            _ => self.wait_for(order, heard, OrderStatus::Ready).await,
        }
    }

    /// Presents the challenge that is answered here of one authorization, wherever in the list it
    /// stands (the real Let's Encrypt shuffles them, and unknown types may be among them).
    async fn present(
        &self,
        mut authorization: AuthorizationHandle<'_>,
        shown: &mut Presented<'_>,
    ) -> Result<(), Refusal> {
        if authorization.status != AuthorizationStatus::Pending {
            return Ok(());
        }
        let name = authorization.identifier().to_string();
        let types = authorization.challenges.iter().map(|one| word(&one.r#type).to_owned());
        let offered = types.collect::<Vec<_>>().join(", ");
        let Ok(host) = DnsId::parse(&name) else {
            let name = problem::printable(&name, 255);
            let message = format!("the CA asks about {name}, which is no host name");
            return Err(self.failed(message));
        };
        let wanted = shown.kind(&host);
        let Some(challenge) = authorization.challenge(kind(wanted)) else {
            let offered = problem::printable(&offered, 200);
            let message = format!("{host}: the CA offers no {wanted} for it (but {offered})");
            let findings = vec![Finding::new(Code::NameRefused, &host, message)];
            return Err(Refusal {
                findings,
                names: vec![host],
                retry_after: None,
                cause: Cause::Ca,
            });
        };
        let answer = challenge.key_authorization();
        let presented = shown.add(&host, &challenge.token, answer.as_str()).await;
        presented.map_err(|why| match wanted {
            // The zone of one name; what the other kinds need is the same for all names.
            Challenge::Dns01 => not_presented(vec![(host, why)]),
            Challenge::Http01 | Challenge::TlsAlpn01 => self.failed(why),
        })
    }

    /// Polls until the order is `wanted` (or beyond): every 20 ms at first, later every 2 s, or
    /// when the CA says so.
    async fn wait_for(
        &self,
        order: &mut Order,
        heard: &Ear,
        wanted: OrderStatus,
    ) -> Result<(), Refusal> {
        let polled = tokio::time::timeout(self.acme.patience, async {
            let mut pause = FIRST_PAUSE;
            loop {
                match order.state().status {
                    OrderStatus::Valid | OrderStatus::Invalid => return Ok(()),
                    status if status == wanted => return Ok(()),
                    _ => {}
                }
                let asked = heard.lock().unwrap_or_else(PoisonError::into_inner).wait.take();
                tokio::time::sleep(asked.unwrap_or(pause).max(FIRST_PAUSE)).await;
                pause = LONGEST_PAUSE.min(pause.mul_f32(1.5));
                despite_bad_nonces!(order.refresh().await.map(|_| ()))?;
            }
        });
        match polled.await {
            Err(_) => Err(self.failed(format!(
                "the order is still {} after {} s; the CA goes on without us",
                format!("{:?}", order.state().status).to_lowercase(),
                self.acme.patience.as_secs()
            ))),
            Ok(Err(e)) => Err(self.refusal(e)),
            Ok(Ok(())) if order.state().status == OrderStatus::Invalid => {
                Err(self.explain(order).await)
            }
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Why an order is invalid: the order itself says nothing, its authorizations do. Those still
    /// under way are waited for, so that all bad names are known at once.
    async fn explain(&self, order: &mut Order) -> Refusal {
        let error = order.state().error.clone();
        let mut faults = Vec::new();
        let decided = tokio::time::timeout(DECISION, async {
            let mut authorizations = order.authorizations();
            while let Some(Ok(mut authorization)) = authorizations.next().await {
                let mut pause = FIRST_PAUSE;
                loop {
                    let fresh = despite_bad_nonces!(authorization.refresh().await.map(|_| ()));
                    if fresh.is_err() || authorization.status != AuthorizationStatus::Pending {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause.mul_f32(1.5));
                }
                faults.extend(fault_of(&authorization));
            }
        });
        if decided.await.is_err() {
            tracing::debug!("some authorizations are still pending after {DECISION:?}");
        }
        let (names, findings): (Vec<_>, Vec<_>) = faults.into_iter().unzip();
        if !findings.is_empty() {
            let caa = findings.iter().all(|found| found.code == Code::CaaForbids);
            let cause = if caa { Cause::Ca } else { Cause::Names };
            return Refusal { findings, names, retry_after: None, cause };
        }
        match error {
            Some(problem) => self.refusal(Error::Api(problem)),
            None => {
                let message = "the order is invalid and the CA gives no reason".to_owned();
                Refusal { cause: Cause::Ca, ..self.failed(message) }
            }
        }
    }

    fn refusal(&self, error: Error) -> Refusal {
        problem::refusal(&self.acme.settings.directory, self.wanted.names, error)
    }

    /// A refusal of a new order. One that is about no name may be about the account, which was
    /// given up or has another key: a person can find that out.
    fn refused_order(&self, error: Error) -> Refusal {
        let may_be_the_account = problem::is(&error, "unauthorized");
        let mut refusal = self.refusal(error);
        if may_be_the_account && refusal.names.is_empty() {
            for finding in &mut refusal.findings {
                finding.message += "; `mailcert account show` says whether it takes the account";
            }
        }
        refusal
    }

    /// A refusal during the work on one name.
    fn refused_one(&self, name: &str, error: Error) -> Refusal {
        let of_the_ca = problem::is(&error, "caa") || problem::is(&error, "rejectedIdentifier");
        let mut refusal = self.refusal(error);
        let limited = refusal.findings.iter().any(|found| found.code == Code::RateLimited);
        if refusal.by_ca()
            && !limited
            && refusal.names.is_empty()
            && let Ok(host) = DnsId::parse(name)
        {
            for finding in &mut refusal.findings {
                finding.code = Code::NameRefused;
                finding.subject = name.to_owned();
                finding.message = format!("{name}: {}", finding.message);
            }
            refusal.names.push(host);
            refusal.cause = if of_the_ca { Cause::Ca } else { Cause::Names };
        }
        refusal
    }

    fn failed(&self, message: String) -> Refusal {
        super::directory::unusable(&self.acme.settings.directory, message)
    }
}

/// What could not be shown for these names: the CA has no part in it.
fn not_presented(names: Vec<(DnsId, String)>) -> Refusal {
    let found = |(host, why): (DnsId, String)| {
        let finding = Finding::new(Code::Dns01Failed, &host, why);
        (host, finding)
    };
    let (names, findings) = names.into_iter().map(found).unzip();
    Refusal { findings, names, retry_after: None, cause: Cause::Ours }
}

/// Fetches all authorizations; what was fetched stays.
async fn load(order: &mut Order) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        next?;
    }
    Ok(())
}

/// What is wrong with an authorization, if something is.
fn fault_of(authorization: &AuthorizationHandle<'_>) -> Option<(DnsId, Finding)> {
    if matches!(authorization.status, AuthorizationStatus::Pending | AuthorizationStatus::Valid) {
        return None;
    }
    let host = DnsId::parse(&authorization.identifier().to_string()).ok()?;
    let error = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
    let problem = error.map(Into::into).unwrap_or_default();
    let finding = problem::about_name(&host, &problem);
    Some((host, finding))
}

/// The first pause between polls: a test CA on the same machine is done by then.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between polls.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long the other authorizations of an invalid order may take.
const DECISION: Duration = Duration::from_secs(20);
