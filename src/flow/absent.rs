//! Names of certificates that nobody wants any more: the days on which the DNS leaves them out are
//! counted in the diary, and what the configuration leaves out is let go at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::config::{Config, Domain};
use crate::discover::Discovered;
use crate::flow::{Means, Notes};
use crate::model::{Absence, DnsId, Hostname, Timestamp, Why};
use crate::plan::Held;
use crate::store::{Diary, Entry, StoreError};

/// Counts a look at the domains that were `asked` just now. `diary` is what was known before it.
pub(super) fn count(
    means: &Means<'_>,
    (answers, asked): (&BTreeMap<Hostname, Discovered>, &[Domain]),
    diary: &Diary,
    notes: Notes,
) -> Result<(), StoreError> {
    if notes == Notes::None || asked.is_empty() {
        return Ok(());
    }
    let kept = means.store.certificates()?;
    let versions = kept.iter().flat_map(|kept| &kept.versions);
    let names = versions.flat_map(|(_, facts)| &facts.names).collect();
    let domains = &means.config.domains;
    means.store.note_all(&look((answers, asked), domains, &names, diary, means.now))
}

/// What a look at the domains that were `asked` says of the names on certificates.
fn look(
    (answers, asked): (&BTreeMap<Hostname, Discovered>, &[Domain]),
    domains: &[Domain],
    names: &BTreeSet<&DnsId>,
    diary: &Diary,
    now: Timestamp,
) -> Vec<Entry> {
    let wanted = Wanted::of(answers.values());
    let over = |name: &DnsId| Entry::Absent { name: name.clone(), absence: None };
    let forgotten = diary.absent.keys().filter(|name| !names.contains(name));
    let mut notes: Vec<Entry> = forgotten.map(over).collect();
    let domains = by_name(domains);
    let before = Before::of(asked, diary);
    let just: HashSet<&Hostname> = asked.iter().map(|domain| &domain.name).collect();
    for name in names {
        let known = diary.absent.get(*name);
        if wanted.takes_in(name) {
            notes.extend(known.map(|_| over(name)));
            continue;
        }
        let domain = match known {
            Some(known) => Some(&known.domain),
            None => longest(base(name), &domains).or_else(|| before.domain(name)),
        };
        // Another look is one at the domain it was of, that was answered.
        let domain = domain.filter(|domain| just.contains(domain));
        let said = domain.and_then(|domain| answers.get(domain)).filter(|said| said.complete);
        let Some(said) = said else { continue };
        let sure = said.authenticated || before.is_config_alone(name);
        let absence = match known.cloned() {
            Some(known) => known.again(now, sure),
            None => Absence::begin(said.domain.clone(), now, sure),
        };
        if known != Some(&absence) {
            notes.push(Entry::Absent { name: (*name).clone(), absence: Some(absence) });
        }
    }
    notes
}

/// The names on certificates that have ended which nobody wants any more, for certain: the
/// configuration leaves them out, or the DNS does, vouched for or on three days.
pub(super) fn let_go(
    config: &Config,
    discovered: &[Discovered],
    held: &[Held],
    diary: &Diary,
    now: Timestamp,
) -> BTreeSet<DnsId> {
    let ended = |held: &&Held| held.versions.iter().all(|one| one.facts.not_after <= now);
    let mut names = held.iter().filter(ended).flat_map(|held| &held.versions).peekable();
    if names.peek().is_none() {
        return BTreeSet::new();
    }
    let wanted = Wanted::of(discovered.iter());
    let named: HashSet<&Hostname> =
        discovered.iter().flat_map(|domain| &domain.hosts).map(|host| &host.host).collect();
    let excluded: HashSet<&Hostname> =
        config.domains.iter().flat_map(|domain| &domain.exclude).collect();
    let domains = by_name(&config.domains);
    let is_out = |name: &DnsId| match (name, diary.absent.get(name)) {
        (DnsId::Host(host), _) if excluded.contains(host) => true,
        (_, Some(absence)) => {
            absence.is_certain() || !domains.contains_key(absence.domain.as_str())
        }
        // No domain that is left has ever named it.
        (_, None) => longest(base(name), &domains).is_none() && !named.contains(base(name)),
    };
    let names = names.flat_map(|one| &one.facts.names);
    names.filter(|name| !wanted.takes_in(name) && is_out(name)).cloned().collect()
}

/// What is wanted, or may be.
struct Wanted<'a> {
    hosts: HashSet<&'a Hostname>,
    /// The domains right above them, for which wildcards stand.
    above: HashSet<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(discovered: impl Iterator<Item = &'a Discovered>) -> Self {
        let mut hosts = HashSet::new();
        for domain in discovered {
            let wanted = domain.hosts.iter().filter(|host| host.included || host.undecided);
            hosts.extend(wanted.map(|host| &host.host).chain(&domain.undecided));
        }
        let above = hosts.iter().filter_map(|host| host.as_str().split_once('.'));
        let above = above.map(|(_, domain)| domain).collect();
        Self { hosts, above }
    }

    fn takes_in(&self, name: &DnsId) -> bool {
        match name {
            DnsId::Host(host) => self.hosts.contains(host),
            DnsId::Wildcard(domain) => self.above.contains(domain.as_str()),
        }
    }
}

fn base(name: &DnsId) -> &Hostname {
    match name {
        DnsId::Host(name) | DnsId::Wildcard(name) => name,
    }
}

fn by_name(domains: &[Domain]) -> HashMap<&str, &Hostname> {
    domains.iter().map(|domain| (domain.name.as_str(), &domain.name)).collect()
}

/// The longest of the domains that a name lies in.
fn longest<'a>(name: &Hostname, domains: &HashMap<&str, &'a Hostname>) -> Option<&'a Hostname> {
    let mut rest = name.as_str();
    loop {
        if let Some(domain) = domains.get(rest) {
            return Some(domain);
        }
        rest = rest.split_once('.')?.1;
    }
}

/// What domains named at the look before.
struct Before<'a>(HashMap<&'a Hostname, (&'a Hostname, &'a [Why])>);

impl<'a> Before<'a> {
    fn of(asked: &'a [Domain], diary: &'a Diary) -> Self {
        let known = asked.iter().filter_map(|own| Some((own, diary.discovered.get(&own.name)?)));
        let hosts = known.flat_map(|(own, known)| known.hosts.iter().map(move |host| (own, host)));
        Self(hosts.map(|(own, host)| (&host.host, (&own.name, &*host.reasons))).collect())
    }

    fn domain(&self, name: &DnsId) -> Option<&'a Hostname> {
        Some(self.find(name)?.0)
    }

    /// Whether nothing but the configuration had wanted the name.
    fn is_config_alone(&self, name: &DnsId) -> bool {
        self.find(name).is_some_and(|(_, reasons)| *reasons == [Why::Config])
    }

    fn find(&self, name: &DnsId) -> Option<(&'a Hostname, &'a [Why])> {
        match name {
            DnsId::Host(host) => self.0.get(host).copied(),
            DnsId::Wildcard(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Absence, BTreeMap, DnsId, Domain, Entry, Hostname, Timestamp, let_go, look};
    use crate::discover::Discovered;
    use crate::model::{Facts, Host, KeyType, Sha256, Version};
    use crate::plan::{Held, HeldVersion};
    use crate::store::{Diary, Remembered};

    fn name(text: &str) -> Hostname {
        Hostname::parse(text).unwrap()
    }

    /// `mx.a.test` is wanted, `?mx.a.test` did not answer, `-mx.a.test` does not exist.
    fn host(text: &str) -> Host {
        let host = r#"{"host":"NAME","domain":"a.test","reasons":["Config"],"addresses":[],
            "points":"all","included":true,"undecided":false,"why_not":null}"#;
        let host = host.replace("NAME", text.trim_start_matches(['?', '-']));
        let host: Host = serde_json::from_str(&host).unwrap();
        let (included, undecided) = (!text.starts_with(['?', '-']), text.starts_with('?'));
        Host { included, undecided, ..host }
    }

    fn domain(text: &str) -> Domain {
        Domain { name: name(text), hosts: Vec::new(), wildcards: Vec::new(), exclude: Vec::new() }
    }

    fn answer(hosts: &str, marks: &str) -> Discovered {
        Discovered {
            domain: name("a.test"),
            hosts: hosts.split_whitespace().map(host).collect(),
            findings: Vec::new(),
            not_offered: Vec::new(),
            undecided: Vec::new(),
            complete: !marks.contains("silent"),
            authenticated: marks.contains("vouched"),
        }
    }

    fn absent(days: u32, sure: bool) -> Absence {
        let (domain, last) = (name("a.test"), Timestamp::from_unix(0));
        Absence { domain, days, last, sure }
    }

    #[test]
    fn only_answers_count_and_a_name_that_is_back_begins_anew() {
        let once = Some(absent(1, false));
        let twice = |sure| Some(Some((2, sure)));
        for (hosts, marks, known, expected) in [
            ("mx.a.test", "", None, None),
            ("-mx.a.test", "", None, Some(Some((1, false)))),
            ("-mx.a.test", "vouched", None, Some(Some((1, true)))),
            // Nothing names it any more.
            ("other.a.test", "", None, Some(Some((1, false)))),
            ("-mx.a.test", "", once.clone(), twice(false)),
            ("-mx.a.test", "vouched", once.clone(), twice(true)),
            // A day without an answer neither counts nor begins anew.
            ("-mx.a.test", "silent", once.clone(), None),
            ("-mx.a.test", "silent", None, None),
            ("?mx.a.test", "silent", None, None),
            // Back, or perhaps.
            ("mx.a.test", "", once.clone(), Some(None)),
            ("?mx.a.test", "", once.clone(), Some(None)),
        ] {
            let own = DnsId::Host(name("mx.a.test"));
            let mut diary = Diary::default();
            diary.absent.extend(known.clone().map(|known| (own.clone(), known)));
            let answers = BTreeMap::from([(name("a.test"), answer(hosts, marks))]);
            let asked = [domain("a.test")];
            let now = Timestamp::from_unix(86_400);
            let notes = look((&answers, &asked), &asked, &[&own].into(), &diary, now);
            let said = notes.into_iter().map(|note| match note {
                Entry::Absent { absence, .. } => absence.map(|own| (own.days, own.sure)),
                other => panic!("{other:?}"),
            });
            assert_eq!(
                said.collect::<Vec<_>>(),
                expected.into_iter().collect::<Vec<_>>(),
                "{hosts} {marks} {known:?}"
            );
        }
    }

    #[test]
    fn what_the_configuration_alone_wanted_is_sure_and_a_domain_of_another_name_is_remembered() {
        let own = [DnsId::Host(name("mx.other.test"))];
        let known = Remembered {
            at: Timestamp::from_unix(0),
            asked_with: Sha256::of(b""),
            hosts: vec![host("mx.other.test")],
            findings: Vec::new(),
        };
        let mut diary = Diary::default();
        let answers = BTreeMap::from([(name("a.test"), answer("", ""))]);
        let asked = [domain("a.test")];
        let now = Timestamp::from_unix(86_400);
        let names = own.iter().collect();
        assert_eq!(look((&answers, &asked), &asked, &names, &diary, now), []);
        diary.discovered.insert(name("a.test"), known);
        let notes = look((&answers, &asked), &asked, &names, &diary, now);
        let begun = Absence::begin(name("a.test"), now, true);
        let noted = Entry::Absent { name: own[0].clone(), absence: Some(begun) };
        assert_eq!(notes, [noted]);
    }

    #[test]
    fn a_name_is_let_go_on_purpose_or_when_it_is_certain() {
        let own = |text| DnsId::parse(text).unwrap();
        for (held, hosts, exclude, known, goes) in [
            ("mx.a.test", "-mx.a.test", "", None, false),
            ("mx.a.test", "-mx.a.test", "", Some(absent(2, false)), false),
            ("mx.a.test", "-mx.a.test", "", Some(absent(3, false)), true),
            ("mx.a.test", "-mx.a.test", "", Some(absent(1, true)), true),
            ("mx.a.test", "-mx.a.test", "mx.a.test", None, true),
            ("mx.a.test", "mx.a.test", "", Some(absent(9, true)), false),
            ("mx.a.test", "?mx.a.test", "", Some(absent(9, true)), false),
            // No domain that is left has anything to say of it.
            ("mx.b.test", "mx.a.test", "", None, true),
            ("mx.b.test", "-mx.b.test", "", None, false),
            ("*.a.test", "mx.a.test", "", Some(absent(9, true)), false),
            ("*.a.test", "mx.sub.a.test", "", Some(absent(9, true)), true),
        ] {
            let mut config = crate::config::builtin();
            config.domains = vec![domain("a.test")];
            config.domains[0].exclude = exclude.split_whitespace().map(name).collect();
            let mut diary = Diary::default();
            diary.absent.extend(known.clone().map(|known| (own(held), known)));
            let all = [ended(held)];
            let said = [answer(hosts, "")];
            let gone = let_go(&config, &said, &all, &diary, Timestamp::from_unix(10));
            assert_eq!(gone.contains(&own(held)), goes, "{held} of {hosts} {exclude} {known:?}");
        }
    }

    fn ended(id: &str) -> Held {
        let digest = Sha256([0; 32]);
        let facts = Facts {
            names: vec![DnsId::parse(id).unwrap()],
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::from_unix(10),
            issuer: String::new(),
            serial: String::new(),
            key_type: KeyType::EcdsaP256,
            leaf: digest,
            spki: digest,
            combined: digest,
            key_file: digest,
            chain_file: digest,
            chain_length: 2,
        };
        let one = HeldVersion { version: Version(1), facts, bad: None, unfit: None, told: None };
        Held { name: crate::model::CertName::parse("a.test").unwrap(), versions: vec![one] }
    }
}
