//! One target from its name to what was found: asked for in the DNS, looked at, judged as a whole.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use crate::app::look::batch::Batch;
use crate::app::look::targets::Wanted;
use crate::discover::Discovered;
use crate::dns::{Absence, Dns, Kind, Record, Reply};
use crate::local::{self, Local};
use crate::model::{Code, Finding, Hostname, Inspection, Policies, Service};
use crate::verify::{self, Ask, Target};

/// A target that was looked at.
pub(super) struct Looked {
    /// Which of the targets it is.
    pub(super) at: usize,
    /// Its endpoints, in the order in which a sender would find them.
    pub(super) inspections: Vec<Inspection>,
    /// What was found besides.
    pub(super) findings: Vec<Finding>,
    /// What the domain publishes about TLS, if it is one.
    pub(super) policies: Option<Policies>,
    /// What this machine's own programs make of it, where that was asked for.
    pub(super) local: Vec<Local>,
    /// How many endpoints it has, optional ones included.
    pub(super) asked: usize,
    /// Whether it was looked at to the end, and no signal came before.
    pub(super) whole: bool,
}

/// How long a target waits for the one before it to know its endpoints.
const PATIENCE: Duration = Duration::from_secs(2);

/// When a target may take its endpoints: after the one before it, so that an endpoint which several
/// targets name belongs to the first of them, whoever's DNS answers first.
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// The turn of the next one comes when this is dropped.
    _next: oneshot::Sender<()>,
}

impl Turn {
    /// The turn behind `last`, which becomes that of the one behind it.
    pub(super) fn after(last: &mut Option<oneshot::Receiver<()>>) -> Self {
        let (next, before) = oneshot::channel();
        Self { before: last.replace(before), _next: next }
    }

    async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent. A silent DNS makes nobody wait longer than this.
            let _ = tokio::time::timeout(PATIENCE, before).await;
        }
    }
}

impl Looked {
    fn nothing(at: usize) -> Self {
        Self {
            at,
            inspections: Vec::new(),
            findings: Vec::new(),
            policies: None,
            local: Vec::new(),
            asked: 0,
            whole: false,
        }
    }
}

impl Batch<'_> {
    /// Looks at this machine's listeners that no target led to.
    pub(super) async fn look_at_listeners(&self, at: usize) -> Looked {
        let mut looked = Looked::nothing(at);
        let asks = tokio::select! {
            biased;
            () = self.stop.came() => return looked,
            asks = self.listening.beside() => asks,
        };
        self.bar.asked(asks.len());
        looked.asked = asks.len();
        (looked.inspections, looked.whole) = self.inspect(&asks).await;
        looked
    }

    /// Looks at one target; a signal ends it with what is known then.
    pub(super) async fn look_at(&self, at: usize, wanted: Wanted, mut turn: Turn) -> Looked {
        let mut looked = Looked::nothing(at);
        let (mut asks, findings) = tokio::select! {
            biased;
            () = self.stop.came() => return looked,
            found = self.asks(&wanted) => found,
        };
        self.listening.mark(&mut asks).await;
        turn.comes().await;
        asks.retain(|ask| self.is_new(&ask.endpoint));
        drop(turn);
        self.bar.asked(asks.len());
        looked.findings = findings;
        looked.asked = asks.len();
        (looked.inspections, looked.whole) = self.inspect(&asks).await;
        verify::compare_addresses(&mut looked.inspections, self.how.profile);
        if let (true, Target::Domain(domain), Some(http)) = (looked.whole, &wanted.0, self.http()) {
            let (looks, dns) = (&mut looked.inspections, self.world.dns);
            let found = verify::policies(domain, looks, dns, http, self.how).await;
            found.settle(looks);
            looked.findings.extend(found.findings);
            looked.policies = found.policies;
        }
        if looked.whole {
            looked.local = self.machine.look(&asks, &looked.inspections, self.how).await;
            looked.findings.extend(looked.local.iter().flat_map(local::findings));
        }
        if self.strict {
            let looks = looked.inspections.into_iter();
            looked.inspections = looks.map(verify::profiles::strictly).collect();
        }
        self.bar.done();
        looked
    }

    /// The endpoints of a target, and what discovery found on the way.
    async fn asks(&self, (target, at): &Wanted) -> (Vec<Ask>, Vec<Finding>) {
        let world = self.world;
        let (mut asks, findings) = match target {
            Target::Domain(name) => {
                // Never closed; who cannot wait asks all the same.
                let _turn = self.discovering.acquire().await.ok();
                let mut found = world.discover(&[world.domain(name)]).await;
                let Some(found) = found.pop() else { return (Vec::new(), Vec::new()) };
                (moved(of_domain(&found), at), found.findings)
            }
            Target::Server { host, service, port } if at.is_empty() => {
                let known = addresses_of(world.dns, host).await;
                (verify::asks_of_server(host, *service, *port, &known), Vec::new())
            }
            Target::Server { host, service, port } => {
                (verify::asks_of_server(host, *service, *port, at), Vec::new())
            }
        };
        for ask in &mut asks {
            let address = ask.endpoint.address.filter(|_| !world.machine.is_empty());
            ask.ours = address.map(|address| world.machine.contains(&address));
        }
        (asks, findings)
    }

    /// Looks at these endpoints side by side until all are done (`true`) or a signal comes; the
    /// answers are in their order. Of a host without an address the DNS says why it has none.
    async fn inspect(&self, asks: &[Ask]) -> (Vec<Inspection>, bool) {
        let nowhere = |ask: &Ask| ask.endpoint.address.is_none() && ask.connect.is_none();
        let somewhere: Vec<Ask> = asks.iter().filter(|ask| !nowhere(ask)).cloned().collect();
        let mut done: Vec<(usize, Inspection)> = Vec::with_capacity(asks.len());
        let places: Vec<usize> = (0..asks.len()).filter(|at| !nowhere(&asks[*at])).collect();
        for (place, ask) in asks.iter().enumerate().filter(|(_, ask)| nowhere(ask)) {
            let found = if ask.optional { None } else { Some(self.without_address(ask).await) };
            self.bar.looked(found.as_ref());
            done.extend(found.map(|found| (place, found)));
        }
        let mut whole = true;
        {
            let mut looks = std::pin::pin!(self.walk.looks(&somewhere));
            let mut stop = std::pin::pin!(self.stop.came());
            loop {
                let found = tokio::select! {
                    biased;
                    found = looks.next() => found,
                    () = &mut stop => { whole = false; None }
                };
                let Some((index, found)) = found else { break };
                self.bar.looked(found.as_ref());
                done.extend(found.map(|found| (places[index], found)));
            }
        }
        done.sort_by_key(|(place, _)| *place);
        (done.into_iter().map(|(_, look)| look).collect(), whole)
    }

    async fn without_address(&self, ask: &Ask) -> Inspection {
        let (code, why) = why_no_address(self.world.dns, ask).await;
        verify::unresolved(ask, self.how, code, &why)
    }
}

/// The endpoints of a domain. One of which the DNS knows nothing, or says nothing now, is asked
/// for all the same, as a sender would: port 25 of its own name.
fn of_domain(found: &Discovered) -> Vec<Ask> {
    let mut asks = verify::asks_of(&found.domain, &found.hosts, &found.not_offered, None);
    let has = |code| {
        found.findings.iter().any(|one| one.code == code && one.subject == found.domain.as_str())
    };
    let takes_mail = found.hosts.iter().any(|host| host.is_mx());
    let silent = !takes_mail && (has(Code::DnsFailure) || has(Code::DnsBogus));
    if silent || (asks.is_empty() && !has(Code::NullMx)) {
        let domain = Some(found.domain.clone());
        let itself = verify::asks_of_server(&found.domain, Service::Smtp, 25, &[]);
        asks.extend(itself.into_iter().map(|ask| Ask { domain: domain.clone(), ..ask }));
    }
    asks
}

/// These endpoints at these addresses instead of those in the DNS, if there are any.
fn moved(asks: Vec<Ask>, addresses: &[IpAddr]) -> Vec<Ask> {
    if addresses.is_empty() {
        return asks;
    }
    let moved = |ask: &Ask| {
        let ask = ask.clone();
        addresses.iter().map(move |address| {
            let mut ask = ask.clone();
            ask.endpoint.address = Some(*address);
            ask
        })
    };
    asks.iter().flat_map(moved).collect()
}

async fn addresses_of(dns: &dyn Dns, host: &Hostname) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for kind in [Kind::Aaaa, Kind::A] {
        for record in dns.ask(host.as_str(), kind).await.records() {
            match record {
                Record::A(address) => addresses.push(IpAddr::V4(*address)),
                Record::Aaaa(address) => addresses.push(IpAddr::V6(*address)),
                _ => {}
            }
        }
    }
    addresses
}

/// Why no address of a host is known, as a code and a sentence. The resolver remembers its
/// answers: nobody is asked again.
async fn why_no_address(dns: &dyn Dns, ask: &Ask) -> (Code, String) {
    let host = &ask.endpoint.host;
    // The domain itself is only asked for where its MX records are not known.
    let mx = (ask.domain.as_ref() == Some(host)).then_some(Kind::Mx);
    let mut exists = true;
    for kind in mx.into_iter().chain([Kind::Aaaa, Kind::A]) {
        match dns.ask(host.as_str(), kind).await.reply {
            Reply::Failed(failure) => {
                return (Code::DnsFailure, format!("{kind} of {host}: {failure}"));
            }
            Reply::Absent(Absence::NxDomain) => exists = false,
            Reply::Absent(Absence::NoData) | Reply::Records(_) => {}
        }
    }
    let message = match exists {
        true => format!("{host} has no address"),
        false => format!("{host} does not exist (NXDOMAIN)"),
    };
    (Code::NoSuchHost, message)
}
