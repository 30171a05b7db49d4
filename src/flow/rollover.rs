//! Keys that TLSA records pin: what the DNS says of them, the keys made ahead, and their records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::command;
use crate::config::{Exec, Publisher, Rfc2136};
use crate::dns::{Change, NotUpdated, Record, ZoneServers, addresses, update};
use crate::flow::Means;
use crate::flow::carry_out::text;
use crate::flow::order::ours;
use crate::issue::{self, Refusal};
use crate::model::{
    Announced, CertName, Code, Facts, KeyHash, KeyType, NextKey, PrivateKey, RolloverNote,
    Timestamp,
};
use crate::plan::{self, Desired, Held, Observed, Plan};
use crate::store::{Diary, Entry, StoreError};
use crate::survey::{Asked, TlsaLook, TlsaSeen};

/// What is known to be pinned, before anything is planned.
pub(super) async fn watched(
    means: &Means<'_>,
    (desired, asked, held): (&Desired, &[Asked], &[Held]),
    diary: &Diary,
) -> TlsaSeen {
    look(means, asked, held, diary, Vec::new()).watched(desired).await
}

/// What is pinned of what the plan changes; whether that is another thing than was known.
pub(super) async fn changed(
    means: &Means<'_>,
    plan: &Plan,
    (desired, asked, observed): (&Desired, &[Asked], &Observed),
    diary: &Diary,
    seen: &mut TlsaSeen,
) -> bool {
    let lying = observed.adoptable.iter().map(|pair| &pair.facts).collect();
    look(means, asked, &observed.held, diary, lying).changed(plan, desired, seen).await
}

fn look<'a>(
    means: &'a Means<'_>,
    asked: &[Asked],
    held: &'a [Held],
    diary: &'a Diary,
    lying: Vec<&'a Facts>,
) -> TlsaLook<'a> {
    let listeners = asked.iter().flat_map(|asked| &asked.server.listeners);
    TlsaLook {
        dns: means.dns,
        store: means.store,
        diary,
        dane: means.config.dane.as_ref(),
        held,
        lying,
        ports: listeners.map(|listener| listener.port).chain([SMTP]).collect(),
        every: means.config.discover.every,
        now: means.how.moment(),
    }
}

/// Takes in which pinned keys every server was seen to show.
pub(super) fn note_shown(
    desired: &Desired,
    observed: &mut Observed,
    seen: &mut TlsaSeen,
    now: Timestamp,
) {
    for (certificate, key) in plan::shown_everywhere(desired, observed, now) {
        let known = observed.rollover.shown.get(&certificate);
        if known.is_some_and(|(known, _)| *known == key) {
            continue;
        }
        let note = RolloverNote::Shown { certificate, key, since: now };
        observed.rollover.add(note.clone());
        seen.notes.push(Entry::Rollover(note));
    }
}

/// Makes the next key of a certificate.
pub(super) async fn make_key(
    means: &Means<'_>,
    certificate: &CertName,
    key_type: KeyType,
) -> Result<(), String> {
    let (pem, key) = issue::make_key(key_type).await?;
    let next = NextKey { key, key_type, made: means.how.moment() };
    means.store.keep_next(certificate, &next, &pem).map_err(text)
}

/// The key that was made ahead. One that is lost is forgotten: the next run makes another.
pub(super) fn next_key(
    means: &Means<'_>,
    certificate: &CertName,
    key: &KeyHash,
) -> Result<PrivateKey, Refusal> {
    means.store.next_key(certificate, key).map_err(|error| {
        if let Err(error) = means.store.end_next(certificate, key) {
            tracing::debug!(%certificate, %error, "the end of the next key was not written");
        }
        ours(certificate, Code::StoreDamaged, text(error))
    })
}

/// Publishes records and takes others away, all in one update. The diary knows first what is put
/// there.
pub(super) async fn publish(
    means: &Means<'_>,
    (owner, ttl): (&str, u32),
    add: &[KeyHash],
    remove: &[KeyHash],
) -> Result<Result<(), String>, StoreError> {
    let Some(dane) = &means.config.dane else { return Ok(Err("there is no [dane]".to_owned())) };
    let now = means.how.moment();
    let diary = means.store.diary()?;
    let known: BTreeMap<KeyHash, Announced> = diary
        .rollover
        .announced
        .iter()
        .filter(|((at, _), _)| at == owner)
        .map(|((_, key), known)| (*key, *known))
        .collect();
    drop(diary);
    let note = |key: &KeyHash, announced| {
        let (owner, key) = (owner.to_owned(), *key);
        Entry::Rollover(RolloverNote::Announced { owner, key, announced })
    };
    let put = |key: &KeyHash| {
        let ttl = known.get(key).map_or(ttl, |known| known.ttl.max(ttl));
        note(key, Some(Announced { since: None, looked: now, ttl, ours: true, gone: None }))
    };
    means.store.note_all(&add.iter().map(put).collect::<Vec<_>>())?;
    let done = match &dane.by {
        Publisher::Rfc2136(updates) => {
            let add = add.iter().map(|key| Change::Add(owner.to_owned(), ttl, record(key)));
            let remove = remove.iter().map(|key| Change::Delete(owner.to_owned(), record(key)));
            by_update(means, updates, owner, &add.chain(remove).collect::<Vec<_>>()).await
        }
        Publisher::Exec(program) => by_program(program, (owner, ttl), add, remove).await,
    };
    if done.is_ok() {
        let away = Announced { since: None, looked: now, ttl, ours: true, gone: Some(now) };
        let gone: Vec<Entry> = remove.iter().map(|key| note(key, Some(away))).collect();
        means.store.note_all(&gone)?;
    }
    Ok(done)
}

async fn by_update(
    means: &Means<'_>,
    settings: &Rfc2136,
    owner: &str,
    changes: &[Change],
) -> Result<(), String> {
    let found = ZoneServers::of(owner, means.dns).await?;
    let zone = settings.zone.as_ref().map_or(found.zone, ToString::to_string);
    let primary: BTreeSet<SocketAddr> = match settings.server {
        Some(server) => [server].into(),
        None => addresses(&found.primary, means.dns).await.into_iter().collect(),
    };
    let mut last = format!(
        "{}, the primary of {zone}, has no address; set `server` in [dane.rfc2136] (see `dig {zone} \
         SOA`)",
        found.primary
    );
    let now = u64::try_from(means.how.moment().unix()).unwrap_or_default();
    for server in primary {
        match update(server, &zone, settings.key.as_deref(), changes, now).await {
            Ok(()) => return Ok(()),
            Err(why @ NotUpdated::Unreachable(..)) => last = why.to_string(),
            Err(why) => return Err(format!("{owner}: {why}")),
        }
    }
    Err(format!("{owner}: {last}"))
}

/// Runs the admin's program, once for each record and one at a time: it may edit a file.
async fn by_program(
    program: &Exec,
    (owner, ttl): (&str, u32),
    add: &[KeyHash],
    remove: &[KeyHash],
) -> Result<(), String> {
    let add = add.iter().map(|key| ("present", &program.present, key));
    let remove = remove.iter().map(|key| ("remove", &program.remove, key));
    let ttl = ttl.to_string();
    for (action, argv, key) in add.chain(remove) {
        let value = format!("3 1 1 {key}");
        let variables = [
            ("MAILCERT_ACTION", action),
            ("MAILCERT_NAME", owner),
            ("MAILCERT_TYPE", "TLSA"),
            ("MAILCERT_TTL", &ttl),
            ("MAILCERT_VALUE", &value),
        ];
        let ran = command::run_ok_with(argv, &variables, b"", program.timeout).await;
        ran.map_err(|error| format!("`{action}` of [dane.exec] for {owner}: {error}"))?;
    }
    Ok(())
}

fn record(key: &KeyHash) -> Record {
    Record::Tlsa { usage: 3, selector: 1, matching: 1, data: key.0.to_vec() }
}

const SMTP: u16 = 25;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::by_program;
    use crate::config::Exec;
    use crate::model::{KeyHash, Sha256};

    async fn ran(present: &str, timeout: u64) -> Result<(), String> {
        let argv = |script: &str| ["sh", "-c", script].map(str::to_owned).to_vec();
        let timeout = Duration::from_secs(timeout);
        let program = Exec { present: argv(present), remove: argv("exit 1"), timeout };
        by_program(&program, ("_25._tcp.mx.a.test", 60), &[key()], &[]).await
    }

    fn key() -> KeyHash {
        Sha256([0xab; 32])
    }

    #[tokio::test]
    async fn the_program_is_told_the_record_in_its_environment() {
        let told = tempfile::tempdir().unwrap();
        let file = told.path().join("env");
        ran(&format!("env >{}", file.display()), 5).await.unwrap();
        let told = std::fs::read_to_string(&file).unwrap();
        let mut ours: Vec<&str> = told.lines().filter(|line| line.starts_with("MAIL")).collect();
        ours.sort_unstable();
        let value = format!("MAILCERT_VALUE=3 1 1 {}", key());
        let rest = ["MAILCERT_ACTION=present", "MAILCERT_NAME=_25._tcp.mx.a.test"];
        assert_eq!(ours, [&rest[..], &["MAILCERT_TTL=60", "MAILCERT_TYPE=TLSA", &value]].concat());
    }

    #[tokio::test]
    async fn a_program_that_fails_or_hangs_is_named_with_what_it_said() {
        let said = ran("echo no rights >&2; exit 3", 5).await.unwrap_err();
        let begins = "`present` of [dane.exec] for _25._tcp.mx.a.test: ";
        assert!(said.starts_with(begins) && said.ends_with("exit status 3: no rights"), "{said}");
        let said = ran("sleep 7", 1).await.unwrap_err();
        assert!(said.starts_with(begins) && said.ends_with("no end after 1 s"), "{said}");
    }
}
