//! [`issue`]: the order of things. CAA and preflight leave hopeless names out, the CA is asked for
//! the rest, and what it refuses is left out in turn.

mod first;

use futures_util::stream::{self, StreamExt};

use crate::dns::Dns;
use crate::http::Http;
use crate::issue::book::Book;
use crate::issue::caa::{self, Caa};
use crate::issue::key::Key;
use crate::issue::preflight::{Seen, preflight};
use crate::issue::{Ca, CaIdentity, Cause, Chain, Issued, Order, Refusal, Solver, Wanted};
use crate::model::{Bundle, Challenge, Code, DnsId, Finding, Version};
use crate::store::UnderWay;

/// Issues one certificate: CAA and preflight leave hopeless names out, the order is made, names
/// the CA refuses are left out and the rest is ordered again in the same run, three times at most.
/// What `book` says of an order for the same comes first: the CA is not asked for another.
///
/// # Errors
/// [`Refusal`] when no name could be certified; its findings include those of the names left out
/// before.
pub async fn issue(
    order: Order,
    ca: &dyn Ca,
    dns: &dyn Dns,
    http: &Http,
    solver: &dyn Solver,
    book: &Book<'_>,
) -> Result<Issued, Refusal> {
    let reuses = order.key.is_some();
    let key = match order.key {
        Some(kept) => Key::again(kept),
        None => Key::make(order.key_type).await,
    }
    .map_err(|why| of_our_own(&order.names, why))?;
    let identity = ca.identity().await?;
    let mut names = order.names;
    names.sort();
    names.dedup();
    let wanted = UnderWay {
        url: String::new(),
        ca: Some(book.ca),
        account: identity.account.clone(),
        wanted: names.clone(),
        names: Vec::new(),
        left_out: Vec::new(),
        profile: order.profile,
        key_type: order.key_type,
        key: key.hash(),
        becomes: Version::default(),
        since: book.now,
    };
    if let Some(issued) = book.take_up(&wanted, reuses.then_some(wanted.key), ca).await? {
        return Ok(issued);
    }
    let (must_stay, sake) = (order.must_stay, order.sake);
    let (left_out, findings) = (Vec::new(), Vec::new());
    let mut work = Work { names, must_stay, sake, left_out, declined: Vec::new(), findings };
    work.ask_caa(dns, &identity, solver).await;
    work.may_go_on()?;
    let blind = work.try_out(&identity, dns, http, solver).await?;
    let passed = work.rehearse_at(ca, solver, &order.failed).await?;
    if blind && passed == 0 {
        work.scout_first(ca, solver).await?;
    }
    let replaces = order.replaces.as_deref();
    let chain = work.order(&key, (&wanted, replaces), ca, solver, book).await?;
    let cause = work.cause();
    Ok(Issued { cause, ..Issued::of(key, chain, work.left_out, work.findings) })
}

impl Issued {
    pub(super) fn of(
        key: Key,
        chain: Chain,
        left_out: Vec<(DnsId, Finding)>,
        findings: Vec<Finding>,
    ) -> Self {
        let Chain { pem, alternates } = chain;
        let (bundle, cause) = (Bundle { key: key.pem, chain: pem }, Cause::Names);
        Self { bundle, alternates, left_out, cause, findings }
    }
}

/// What is left of an order while it is worked on.
struct Work {
    /// Still to be certified.
    names: Vec<DnsId>,
    /// Not to be left out: see [`Order::must_stay`].
    must_stay: Vec<DnsId>,
    /// For whom all this is: see [`Order::sake`].
    sake: Vec<DnsId>,
    left_out: Vec<(DnsId, Finding)>,
    /// Those of them that the CA does not want, whatever it would find there.
    declined: Vec<DnsId>,
    findings: Vec<Finding>,
}

impl Work {
    async fn ask_caa(&mut self, dns: &dyn Dns, identity: &CaIdentity, solver: &dyn Solver) {
        let asked: Vec<_> = std::mem::take(&mut self.names)
            .into_iter()
            .map(|name| async move {
                let kind = solver.kind(&name);
                let said = caa::check(dns, &name, identity, kind).await;
                (name, said)
            })
            .collect();
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        while let Some((name, said)) = answers.next().await {
            match said {
                Caa::Permits => self.names.push(name),
                Caa::Forbids(finding) => self.left_out.push((name, finding)),
                Caa::Unknown(finding) => {
                    self.findings.push(finding);
                    self.names.push(name);
                }
            }
        }
    }

    /// Tries each name in the way it takes: http-01 and tls-alpn-01 are looked at as the CA would,
    /// by a preflight; dns-01 is rehearsed. Whether there are names of which nothing can be seen
    /// from here.
    async fn try_out(
        &mut self,
        identity: &CaIdentity,
        dns: &dyn Dns,
        http: &Http,
        solver: &dyn Solver,
    ) -> Result<bool, Refusal> {
        let (looked_at, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.names)
            .into_iter()
            .partition(|name| solver.kind(name) != Challenge::Dns01);
        self.names = others;
        self.rehearse(solver).await;
        self.may_go_on()?;
        let others = std::mem::replace(&mut self.names, looked_at);
        let mut blind = false;
        if let Some(port) = identity.http_port {
            blind = self.try_first(port, dns, http, solver, others.is_empty()).await? == 0;
            self.may_go_on()?;
        }
        self.names.extend(others);
        self.names.sort();
        Ok(blind)
    }

    /// Leaves out what could not be presented.
    async fn rehearse(&mut self, solver: &dyn Solver) {
        let tried: Vec<_> = std::mem::take(&mut self.names)
            .into_iter()
            .map(|name| async move {
                let tried = solver.rehearse(&name).await;
                (name, tried)
            })
            .collect();
        let mut answers = stream::iter(tried).buffered(AT_ONCE);
        while let Some((name, tried)) = answers.next().await {
            match tried {
                Ok(()) => self.names.push(name),
                Err(why) => {
                    let finding = Finding::new(Code::Dns01Failed, &name, why);
                    self.left_out.push((name, finding));
                }
            }
        }
    }

    /// The preflight of every name; how many were seen to be right. A name that nothing can be
    /// presented for is left out; where that is so for all, and there are no others (`alone`), it
    /// is said once.
    async fn try_first(
        &mut self,
        port: u16,
        dns: &dyn Dns,
        http: &Http,
        solver: &dyn Solver,
        alone: bool,
    ) -> Result<usize, Refusal> {
        let tried: Vec<_> = std::mem::take(&mut self.names)
            .into_iter()
            .map(|name| async move {
                let seen = preflight(name.domain(), port, dns, http, solver).await;
                (name, seen)
            })
            .collect();
        let (mut right, mut unable) = (0, Vec::new());
        let mut answers = stream::iter(tried).buffered(AT_ONCE);
        while let Some((name, seen)) = answers.next().await {
            match seen {
                Ok(Seen::Right(findings)) => {
                    right += 1;
                    self.findings.extend(findings);
                    self.names.push(name);
                }
                Ok(Seen::Unseen(finding)) => {
                    self.findings.push(finding);
                    self.names.push(name);
                }
                Ok(Seen::Wrong(finding)) => self.left_out.push((name, finding)),
                Err(why) => unable.push((name, why)),
            }
        }
        match unable.first() {
            Some((name, why)) if alone && self.names.is_empty() => {
                return Err(self.refused(of_our_own(std::slice::from_ref(name), why.clone())));
            }
            _ => self.left_out.extend(unable.into_iter().map(|(name, why)| {
                let finding = Finding::new(Code::OrderFailed, &name, format!("{name}: {why}"));
                (name, finding)
            })),
        }
        Ok(right)
    }

    /// The chain, for the names that are left at the end.
    async fn order(
        &mut self,
        key: &Key,
        (wanted, replaces): (&UnderWay, Option<&[u8]>),
        ca: &dyn Ca,
        solver: &dyn Solver,
        book: &Book<'_>,
    ) -> Result<Chain, Refusal> {
        let ours = |names: &[DnsId], why| of_our_own(names, why);
        for round in 1.. {
            if self.names.is_empty() {
                break;
            }
            let request = key.request(&self.names);
            let request = request.map_err(|why| self.refused(ours(&self.names, why)))?;
            let profile = wanted.profile.as_deref();
            let asked = Wanted { names: &self.names, profile, replaces };
            let answer = match ca.order(asked, solver).await {
                Ok(url) => {
                    let begun = book.begin(&self.under_way(&url, wanted), key);
                    begun.map_err(|why| self.refused(ours(&self.names, why)))?;
                    ca.finish(&url, &self.names, &request).await
                }
                Err(refusal) => Err(refusal),
            };
            let refusal = match answer {
                Ok(chain) => {
                    let fits = key.fits(&chain.pem, &self.names);
                    fits.map_err(|why| self.refused(ours(&self.names, why)))?;
                    return Ok(chain);
                }
                Err(refusal) => refusal,
            };
            let names_one = self.names.iter().any(|name| refusal.names.contains(name));
            if !names_one || round == ROUNDS || self.must_end(&refusal) {
                return Err(self.refused(refusal));
            }
            tracing::info!(names = ?refusal.names, "names were refused; ordering the others");
            if self.names.iter().all(|name| refusal.names.contains(name)) {
                return Err(self.refused(refusal));
            }
            self.leave_out(refusal);
        }
        Err(self.refused(Refusal::nothing()))
    }

    /// Ends the order where what was left out ends it.
    fn may_go_on(&self) -> Result<(), Refusal> {
        match self.must_end(&Refusal::nothing()) {
            true => Err(self.refused(Refusal::nothing())),
            false => Ok(()),
        }
    }

    /// Whether, with this, a name is left out that must stay, or are all for which it is ordered.
    fn must_end(&self, refusal: &Refusal) -> bool {
        let left_out = self.left_out.iter().map(|(name, _)| name);
        let out: Vec<&DnsId> = left_out.chain(&refusal.names).collect();
        out.iter().any(|name| self.must_stay.contains(name))
            || !self.sake.is_empty() && self.sake.iter().all(|name| out.contains(&name))
    }

    /// What is to be known of an order that is ready.
    fn under_way(&self, url: &str, wanted: &UnderWay) -> UnderWay {
        let (names, left_out) = (self.names.clone(), self.left_out.clone());
        UnderWay { url: url.to_owned(), names, left_out, ..wanted.clone() }
    }

    /// Leaves the refused names out, each with its finding.
    fn leave_out(&mut self, refusal: Refusal) {
        let Refusal { findings, names, cause, .. } = refusal;
        if cause == Cause::Ca {
            self.declined.extend(names.iter().cloned());
        }
        self.names.retain(|name| !names.contains(name));
        for name in names {
            let finding = findings.iter().find(|f| f.subject == name.to_string()).cloned();
            let finding = finding.unwrap_or_else(|| {
                Finding::new(Code::NameRefused, &name, format!("{name}: the CA refused it"))
            });
            self.left_out.push((name, finding));
        }
    }

    /// Whose reason it is that names were left out: the CA's where it is of all of them.
    fn cause(&self) -> Cause {
        let of_the_ca = |(name, found): &(DnsId, Finding)| {
            found.code == Code::CaaForbids || self.declined.contains(name)
        };
        if self.left_out.iter().all(of_the_ca) { Cause::Ca } else { Cause::Names }
    }

    /// A refusal that also tells what was left out before it.
    fn refused(&self, mut refusal: Refusal) -> Refusal {
        let is_nothing = refusal.findings.is_empty();
        match (refusal.cause, self.cause()) {
            (_, Cause::Ca) if is_nothing => refusal.cause = Cause::Ca,
            (Cause::Ca, Cause::Names) if !refusal.names.is_empty() => refusal.cause = Cause::Names,
            _ => {}
        }
        let before = self.left_out.iter().map(|(_, finding)| finding.clone());
        refusal.findings.splice(0..0, before);
        refusal.names.extend(self.left_out.iter().map(|(name, _)| name.clone()));
        refusal
    }
}

/// A refusal the CA has no part in.
fn of_our_own(names: &[DnsId], why: String) -> Refusal {
    let about = names.first().map_or_else(|| "order".to_owned(), ToString::to_string);
    Refusal::of_our_own(&about, why)
}

/// Orders for one certificate in one run.
const ROUNDS: usize = 3;
/// Names looked at side by side.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests;
