//! A machine with many domains: the real planner, the real diary, and steps carried out by the
//! letter. No mail server is on it: what is shown where is the business of the laws.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use mailcert::model::{
    CertName, Clock, DnsId, Facts, Host, Hostname, KeyType, Keys, Mark, Points, Sha256, Timestamp,
    Version, Ways, Why,
};
use mailcert::plan::{
    Action, Budget, Desired, Having, Held, HeldVersion, Limits, Mode, Observed, Plan, patience,
    plan, wishes,
};
use mailcert::store::{Diary, Entry, Wait};

use super::ca::{Answer, Ca, Moment};
use super::chance::Chance;
use super::fate::Fate;

const ROUNDS: usize = 4;
const DAY: Moment = 86_400;
/// By the clock of the world the first run is then.
const START: Moment = 1_900_000_000;
/// A CA dates certificates back by an hour.
const BACKDATED: Moment = 3_600;
/// Of that many domains one is below the same registered domain as the others of its kind.
const OF_A_HOSTER: usize = 80;
pub(crate) const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What is tried.
pub(crate) struct Trial {
    pub(crate) domains: usize,
    pub(crate) days: Moment,
    /// How long a certificate lives.
    pub(crate) life: Moment,
    /// Whether the CA announces renewals, which no limit counts then.
    pub(crate) announces: bool,
    /// What the CA allows.
    pub(crate) limits: Limits,
    /// The shortest time between two looks, while hosts wait for their first certificate and later.
    pub(crate) pauses: (Moment, Moment),
    pub(crate) seed: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) ca: Ca,
    pub(crate) looks: usize,
    /// When all but those of the hoster had their first certificate, and all had.
    pub(crate) first: (Moment, Moment),
    /// The least that was left of a certificate that was renewed, as a part of its life.
    pub(crate) least: f64,
    /// By how much too late the first schedule was.
    pub(crate) planning: Duration,
}

pub(crate) struct Machine<'a> {
    trial: &'a Trial,
    fate: Fate,
    chance: Chance,
    ca: Ca,
    now: Moment,
    hosts: Vec<Host>,
    domains: Vec<Hostname>,
    observed: Observed,
    places: HashMap<CertName, usize>,
    diary: Diary,
    /// Until when each host that had a certificate is covered.
    covered: HashMap<Hostname, Moment>,
    /// Hosts that died, and have no new certificate since.
    mourned: HashSet<Hostname>,
    dead: HashSet<Hostname>,
    least: f64,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(trial: &'a Trial) -> Self {
        let mut chance = Chance::of(trial.seed);
        let domains: Vec<Hostname> = (0..trial.domains).map(domain).collect();
        let hosts: Vec<Host> = domains
            .iter()
            .flat_map(|domain| ["mx", "mail"].map(|label| host(label, domain)))
            .collect();
        let fate = Fate::of(&mut chance, trial.life, hosts.len(), (40 * DAY, trial.days * DAY));
        Self {
            trial,
            fate,
            chance,
            ca: Ca::with(trial.limits),
            now: 0,
            hosts,
            domains,
            observed: Observed::default(),
            places: HashMap::new(),
            diary: Diary::default(),
            covered: HashMap::new(),
            mourned: HashSet::new(),
            dead: HashSet::new(),
            least: 1.0,
        }
    }

    /// Lives to the end; the error says what must not happen and did.
    pub(crate) fn live(mut self) -> Result<Outcome, String> {
        let (mut looks, mut first) = (0, (0, 0));
        let mut planning = Duration::ZERO;
        while self.now < self.trial.days * DAY {
            self.look_at_the_world()?;
            let mut plan = Plan::default();
            // As in flow.rs: again while a round got somewhere.
            for _ in 0..ROUNDS {
                let start = Instant::now();
                plan = self.plan();
                planning += start.elapsed();
                looks += 1;
                self.carry_out(&plan)?;
                if plan.steps.is_empty() {
                    break;
                }
            }
            let missing = self.hosts.len() - self.covered.len();
            let of_hoster = 2 * self.trial.domains.div_ceil(OF_A_HOSTER);
            if missing > 0 {
                first = (if missing > of_hoster { self.now } else { first.0 }, self.now);
            }
            self.sleep(&plan);
        }
        let Self { ca, least, .. } = self;
        Ok(Outcome { ca, looks, first, least, planning })
    }

    fn wall(&self) -> Timestamp {
        let by = self.fate.jump(self.now).map_or(0, |jump| jump.by);
        Timestamp::from_unix(START + self.now + by)
    }

    /// Names die and live, the clock is read, and nothing that lives may have ended.
    fn look_at_the_world(&mut self) -> Result<(), String> {
        let now = self.now;
        let dead = self.fate.deaths.iter().filter(|death| (death.from..death.to).contains(&now));
        self.dead = dead.map(|death| self.hosts[death.host].host.clone()).collect();
        self.mourned.extend(self.dead.iter().cloned());
        let mut ended =
            self.covered.iter().filter(|(host, end)| **end <= now && !self.mourned.contains(*host));
        if let Some((host, end)) = ended.next() {
            return Err(format!("{host} ended at day {}", *end as f64 / DAY as f64));
        }
        let boots =
            self.fate.jumps.iter().filter(|jump| jump.boots).flat_map(|jump| [jump.from, jump.to]);
        let boot = boots.filter(|boot| *boot <= now).max().unwrap_or(0);
        let clock = Clock { boot: Mark::of(&boot.to_string()), up: now - boot, at: self.wall() };
        if self.diary.spent.is_news(&clock) {
            self.diary.add(Entry::Clock(clock));
        }
        Ok(())
    }

    fn plan(&mut self) -> Plan {
        let now = self.wall();
        let having = Having { held: &self.observed.held, sourced: &[], pins: &[], now };
        let desired = Desired {
            certificates: wishes(&self.hosts, &self.domains, &[], having, 25),
            hosts: Vec::new(),
            orders: true,
            ways: Ways::default(),
            keys: Keys::one(KeyType::EcdsaP256),
            drop_rsa: false,
            reuse_keys: false,
            new_keys: BTreeMap::new(),
            keep: 3,
            let_go: BTreeSet::new(),
            prove_every: Duration::from_secs(20 * 3_600),
        };
        let mut budget = Budget::at(DIRECTORY, self.diary.spent.clone());
        budget.limits = self.trial.limits;
        if self.trial.announces {
            budget.announced = self.places.keys().cloned().collect();
        }
        self.observed.budget = budget;
        let waits = self.diary.waits.iter();
        self.observed.waits =
            waits.clone().map(|(name, wait)| (name.clone(), wait.until)).collect();
        self.observed.refused = waits
            .map(|(name, wait)| (name.clone(), wait.refused.iter().cloned().collect()))
            .collect();
        plan(&desired, &self.observed, &Mode::Run, now)
    }

    fn carry_out(&mut self, plan: &Plan) -> Result<(), String> {
        for step in &plan.steps {
            match &step.action {
                Action::Issue { certificate, names, .. } => self.order(certificate, names)?,
                Action::Prune { certificate, version } => {
                    let held = &mut self.observed.held[self.places[certificate]];
                    held.versions.retain(|old| old.version != *version);
                }
                other => return Err(format!("no step for this machine: {other:?}")),
            }
        }
        Ok(())
    }

    fn order(&mut self, certificate: &CertName, names: &[DnsId]) -> Result<(), String> {
        let at = self.wall();
        let hosts: Vec<Hostname> = names.iter().filter_map(DnsId::host).cloned().collect();
        let held = self.places.get(certificate).map(|place| &self.observed.held[*place]);
        let budget = &self.observed.budget;
        let ordered = budget.order(certificate, names, held, at);
        let announced = budget.announced.contains(certificate);
        let (ca, set) = budget.came(names);
        let down = self.fate.is_down(self.now);
        let dead = |name: &Hostname| self.dead.contains(name);
        let answer = self.ca.order(self.now, &hosts, announced, dead, down);
        let answer = answer.map_err(|why| format!("day {}: {why}", self.now / DAY))?;
        self.diary.add(Entry::Ordered(ordered));
        let refused = match answer {
            Answer::Issued => {
                self.diary.add(Entry::Came { ca, set });
                self.diary.add(Entry::Wait { certificate: certificate.clone(), wait: None });
                self.keep(certificate, &hosts);
                return Ok(());
            }
            Answer::Failed(hosts) => {
                let names: Vec<DnsId> = hosts.into_iter().map(DnsId::Host).collect();
                self.diary.add(Entry::Failed(self.observed.budget.failure(&names, at)));
                names
            }
            Answer::Down => Vec::new(),
        };
        // As in flow/order.rs.
        let refusals = self.diary.waits.get(certificate).map_or(0, |wait| wait.refusals) + 1;
        let minutes = [1, 10, 100].get(refusals as usize - 1).copied().unwrap_or(24 * 60);
        let held = self.places.get(certificate).map(|place| &self.observed.held[*place]);
        let newest = held.and_then(|held| held.versions.last());
        let most = newest.and_then(|last| patience(last.facts.not_after.since(at)));
        let pause = Duration::from_secs(60 * minutes).min(most.unwrap_or(Duration::MAX));
        let until = at.plus(pause);
        let wait = Some(Wait {
            until,
            refusals,
            refused,
            findings: Vec::new(),
            declined: BTreeMap::new(),
        });
        self.diary.add(Entry::Wait { certificate: certificate.clone(), wait });
        Ok(())
    }

    fn keep(&mut self, certificate: &CertName, names: &[Hostname]) {
        let from = self.now - BACKDATED;
        let end = from + self.trial.life;
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&self.chance.next().to_be_bytes());
        let blank = Sha256(leaf);
        let facts = Facts {
            names: names.iter().cloned().map(DnsId::Host).collect(),
            not_before: Timestamp::from_unix(START + from),
            not_after: Timestamp::from_unix(START + end),
            issuer: String::new(),
            serial: String::new(),
            key_type: KeyType::EcdsaP256,
            leaf: blank,
            spki: blank,
            combined: blank,
            key_file: blank,
            chain_file: blank,
            chain_length: 2,
        };
        let held = &mut self.observed.held;
        let place = *self.places.entry(certificate.clone()).or_insert_with(|| {
            held.push(Held { name: certificate.clone(), versions: Vec::new() });
            held.len() - 1
        });
        let versions = &mut held[place].versions;
        if let Some(last) = versions.last() {
            let left = START + self.now;
            let left = (last.facts.not_after.unix() - left) as f64 / self.trial.life as f64;
            if names.iter().all(|name| !self.mourned.contains(name)) {
                self.least = self.least.min(left);
            }
        }
        let version = Version(versions.last().map_or(1, |last| last.version.0 + 1));
        versions.push(HeldVersion { version, facts, bad: None, unfit: None, told: None });
        for name in names {
            self.mourned.remove(name);
            let known = self.covered.entry(name.clone()).or_insert(end);
            *known = end.max(*known);
        }
    }

    /// Until the plan says, but not shorter than the pause, nor longer than a day; a clock that is
    /// set wakes as well.
    fn sleep(&mut self, plan: &Plan) {
        let wake = plan.wake.map_or(DAY, |wake| wake.unix() - self.wall().unix());
        let (first, later) = self.trial.pauses;
        let pause = if self.covered.len() < self.hosts.len() { first } else { later };
        let wake = self.now + wake.clamp(pause, DAY);
        self.now = self.fate.next_jump(self.now).map_or(wake, |jump| jump.min(wake));
    }
}

fn domain(number: usize) -> Hostname {
    let text = match number % OF_A_HOSTER {
        0 => format!("c{number}.hoster.test"),
        _ => format!("d{number}.test"),
    };
    Hostname::parse(&text).expect("a name")
}

fn host(label: &str, domain: &Hostname) -> Host {
    Host {
        host: Hostname::parse(&format!("{label}.{domain}")).expect("a name"),
        domain: domain.clone(),
        reasons: vec![Why::Mx(10)],
        addresses: vec!["192.0.2.7".parse().expect("an address")],
        points: Points::All,
        included: true,
        undecided: false,
        why_not: None,
    }
}
