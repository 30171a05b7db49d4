//! `mailcert verify` against the farm: every way to be right and every way to be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mailcert::model::{Code, Level, Service, Verdict};
use serde_json::Value;

use crate::farm::{Farm, Kind, Row, Wish};
use crate::mailcert::Ran;
use crate::world::daemons::Daemons;

/// Codes of the verifier that no single mail server shows, and who shows them instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("key-mismatch", "files: tests/cli/files.rs"),
    ("port-blocked", "the network: tests/cli/local.rs"),
    ("system-roots-differ", "this machine: tests/cli/local.rs"),
    ("local-policy", "this machine: tests/cli/local.rs"),
];

/// One farm for all tests of this file; its watchdog tidies up when the process ends.
fn farm() -> &'static Farm {
    static FARM: OnceLock<(Farm, Daemons)> = OnceLock::new();
    let (farm, _) = FARM.get_or_init(|| {
        let daemons = Daemons::new();
        let wish = Wish {
            listen: "127.0.64.0/20".parse().unwrap(),
            modes: true,
            hostile: 3,
            good: 0,
            delay: Duration::ZERO,
        };
        (Farm::start(&wish, daemons.directory()), daemons)
    });
    farm
}

fn rows(wanted: impl Fn(&Row) -> bool) -> Vec<&'static Row> {
    farm().rows.iter().filter(|row| wanted(row)).collect()
}

/// Those that are asked for without further options, by their addresses.
fn plain(row: &Row) -> bool {
    row.extra.is_empty()
}

/// Starts `mailcert verify`, with `--targets -` where there are rows.
fn start(rows: &[&Row], options: &[&str]) -> Child {
    let targets: &[&str] = if rows.is_empty() { &[] } else { &["--targets", "-"] };
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailcert"))
        .args(["verify", "--roots", farm().roots.to_str().unwrap()])
        .args(targets)
        .args(options)
        .env_clear()
        .current_dir(Path::new("/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = rows.iter().map(|row| format!("{}\n", row.target)).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child
}

fn verify(rows: &[&Row], options: &[&str]) -> Ran {
    Ran::from(start(rows, options).wait_with_output().unwrap())
}

/// What was found of a row, in the words of the inventory.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    verdict: String,
    codes: BTreeSet<String>,
    addresses: usize,
}

impl Found {
    fn of(row: &Row, answer: &Value) -> Self {
        let all = |list: &'static str| answer[list].as_array().unwrap().iter();
        let endpoints: Vec<&Value> = all("endpoints")
            .filter(|seen| seen["host"] == row.host && seen["port"] == row.port)
            .collect();
        let problems = endpoints.iter().flat_map(|seen| seen["problems"].as_array().unwrap());
        let subject = |finding: &&Value| {
            let subject = finding["subject"].as_str().unwrap();
            subject == row.host || subject == row.domain
        };
        let codes = problems
            .chain(all("findings").filter(subject))
            .filter(|problem| problem["level"] != "note")
            .map(|problem| problem["code"].as_str().unwrap().to_owned())
            .collect();
        let worst = [Verdict::Refused, Verdict::Unknown, Verdict::Accepted]
            .map(Verdict::as_str)
            .into_iter()
            .find(|verdict| endpoints.iter().any(|seen| seen["verdict"] == *verdict));
        let verdict = worst.unwrap_or("nothing").to_owned();
        Self { verdict, codes, addresses: endpoints.len() }
    }

    /// Why it is not what the row says.
    fn differs(&self, row: &Row) -> Option<String> {
        let wanted: BTreeSet<&str> = row.codes.iter().copied().collect();
        let found: BTreeSet<&str> = self.codes.iter().map(String::as_str).collect();
        let missing: Vec<_> = wanted.difference(&found).collect();
        let more: Vec<_> =
            found.difference(&wanted).filter(|code| !row.may.contains(code)).collect();
        let mut why = String::new();
        if self.verdict != row.verdict.as_str() {
            write!(why, " {} instead of {}", self.verdict, row.verdict.as_str()).unwrap();
        }
        if !missing.is_empty() {
            write!(why, " without {missing:?}").unwrap();
        }
        if !more.is_empty() {
            write!(why, " with {more:?}").unwrap();
        }
        if self.addresses != row.addresses.len().max(1) {
            write!(why, " at {} addresses", self.addresses).unwrap();
        }
        (!why.is_empty()).then(|| format!("{:<28}{why}", row.mode))
    }
}

/// Insists on what the inventory says, for all rows at once.
fn as_expected(rows: &[&Row], answer: &Value) {
    let differing: Vec<String> =
        rows.iter().filter_map(|row| Found::of(row, answer).differs(row)).collect();
    let (count, all) = (differing.len(), rows.len());
    assert!(differing.is_empty(), "{count} of {all} modes differ:\n{}", differing.join("\n"));
}

/// Where `openssl s_client` is no judge: it takes a CN where there is no subjectAltName, and part of
/// a label; every second handshake of `flapping` is right; it stumbles over lines in pieces.
const NOT_BY_OPENSSL: &[&str] =
    &["cn-alone", "wildcard-partial", "flapping", "in-pieces", "in-pieces-imap"];

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn openssl_agrees_with_what_the_farm_says_of_its_certificates() {
    let judged = |row: &Row| matches!(row.kind, Kind::Good | Kind::Certificate) && plain(row);
    let mine = rows(|row| judged(row) && !NOT_BY_OPENSSL.contains(&row.mode.as_str()));
    let differs = |row: &&&Row| {
        let accepted = row.addresses.iter().all(|address| openssl_accepts(row, *address));
        accepted != (row.verdict == Verdict::Accepted)
    };
    let differing: Vec<&str> = std::thread::scope(|scope| {
        let chunks = mine.chunks(mine.len().div_ceil(8));
        let threads: Vec<_> = chunks
            .map(|rows| scope.spawn(move || rows.iter().filter(differs).collect::<Vec<_>>()))
            .collect();
        let found = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        found.map(|row| row.mode.as_str()).collect()
    });
    assert!(differing.is_empty(), "{differing:?}");
}

/// Whether `openssl s_client` goes through with a host at an address.
fn openssl_accepts(row: &Row, address: IpAddr) -> bool {
    let starttls: &[&str] = match row.service {
        Service::Smtp | Service::Submission => &["-starttls", "smtp"],
        Service::Imap => &["-starttls", "imap"],
        Service::Pop3 => &["-starttls", "pop3"],
        Service::Sieve => &["-starttls", "sieve"],
        Service::Submissions | Service::Imaps | Service::Pop3s => &[],
    };
    let status = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-verify_return_error", "-CAfile"])
        .arg(&farm().roots)
        .args(["-connect", &SocketAddr::new(address, row.port).to_string()])
        .args(["-servername", &row.host, "-verify_hostname", &row.host])
        .args(starttls)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn every_mode_gets_its_verdict_and_exactly_its_codes() {
    let mine = rows(plain);
    let ran = verify(&mine, &["--json", "--concurrency", "512"]).exits(1);
    as_expected(&mine, &ran.json());
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn a_mode_that_needs_an_option_is_told_with_it() {
    let mut differing = Vec::new();
    let mut groups: BTreeMap<&[String], Vec<&Row>> = BTreeMap::new();
    for row in rows(|row| !row.extra.is_empty()) {
        groups.entry(&row.extra).or_default().push(row);
    }
    for (extra, mine) in groups {
        let extra: Vec<&str> = extra.iter().map(String::as_str).chain(["--json"]).collect();
        let answer = verify(&mine, &extra).json();
        differing.extend(mine.iter().filter_map(|row| Found::of(row, &answer).differs(row)));
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn no_good_mode_is_refused_or_warned_of() {
    let mine = rows(|row| row.kind == Kind::Good);
    assert!(mine.len() > 40, "{}", mine.len());
    let ran = verify(&mine, &["--json"]);
    as_expected(&mine, &ran.json());
    assert_eq!(ran.exits(0).json()["verdict"], "accepted");
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn the_exit_code_is_that_of_the_worst() {
    let one = |mode: &str| rows(|row| row.mode == mode);
    for (modes, options, expected) in [
        (&["p256"][..], &[][..], 0),
        (&["p256", "root-sent"], &[], 0),
        (&["p256", "root-sent"], &["--strict"], 1),
        (&["p256", "greeting-421"], &[], 4),
        (&["p256", "greeting-421", "expired"], &[], 1),
        (&["expired"], &[], 1),
        (&["unreachable"], &[], 4),
    ] {
        let mine: Vec<&Row> = modes.iter().flat_map(|mode| one(mode)).collect();
        let ran = verify(&mine, options);
        assert_eq!((ran.code, ran.stderr.as_str()), (expected, ""), "{modes:?} {options:?} {ran}");
    }
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn names_are_asked_for_where_the_dns_says() {
    let dns = farm().dns.address().to_string();
    let is_domain = |row: &Row| {
        let found = row.service.as_str() != "sieve" && row.port == row.service.port();
        found && row.mode != "slow-banner"
    };
    let calm = |row: &Row| matches!(row.kind, Kind::Good | Kind::Certificate);
    let mine = rows(|row| plain(row) && calm(row) && is_domain(row));
    let domains = mine.iter().map(|row| row.domain.as_str());
    let words = domains.chain(["--json", "--dns", &dns]);
    let answer = verify(&[], &words.collect::<Vec<_>>()).json();
    as_expected(&mine, &answer);
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn every_code_of_the_verifier_has_a_mode_and_every_mode_has_codes_that_there_are() {
    let shown: BTreeSet<&str> =
        farm().rows.iter().flat_map(|row| row.codes.iter().copied()).collect();
    // The table of codes begins with what an endpoint shows; then comes what discovery finds.
    let of_the_verifier = Code::ALL.iter().take_while(|code| **code != Code::NullMx);
    let without: Vec<&str> = of_the_verifier
        .filter(|code| code.level() != Level::Note)
        .map(|code| code.as_str())
        .filter(|code| !shown.contains(code))
        .filter(|code| !ELSEWHERE.iter().any(|(other, _)| other == code))
        .collect();
    let unheard: Vec<_> = shown.iter().filter(|code| Code::parse(code).is_none()).collect();
    assert!(without.is_empty(), "codes without a mode of the farm: {without:?}");
    assert!(unheard.is_empty(), "codes that mailcert does not have: {unheard:?}");
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn hostile_servers_take_neither_memory_nor_time() {
    let mine = rows(|row| row.kind == Kind::Hostile);
    assert!(mine.len() >= 60, "{} hostile endpoints", mine.len());
    let begun = Instant::now();
    let mut child = start(&mine, &["--json", "--timeout", "10", "--concurrency", "512"]);
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(high_water(child.id()));
        std::thread::sleep(Duration::from_millis(1));
    }
    let (took, text) = (begun.elapsed(), reader.join().unwrap());
    assert!(took < Duration::from_secs(20), "with a time-out of 10 s it took {took:?}");
    assert!(peak > 0 && peak < 64 * 1024, "{} endpoints took {peak} KiB", mine.len());
    as_expected(&mine, &serde_json::from_str(&text).unwrap());
}

/// The most memory a running process has held so far, in KiB; 0 once it has ended.
fn high_water(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn nothing_a_server_says_moves_the_cursor() {
    let talkers = |row: &Row| {
        let word = |word: &str| row.mode.contains(word);
        word("escapes") || word("tricks") || word("nul") || word("garbage") || word("utf8")
    };
    let mine = rows(|row| talkers(row) && plain(row));
    assert!(mine.len() > 10, "{}", mine.len());
    for options in [&["--color", "never"][..], &["--color", "never", "-v"], &["--json", "-v"]] {
        let ran = verify(&mine, options).exits(1);
        for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            let bad =
                text.lines().find(|line| line.contains(|c: char| c.is_control() || misleads(c)));
            assert_eq!(bad, None, "{options:?} {stream}");
        }
    }
}

/// Signs without a width and those that turn the direction of writing.
fn misleads(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[test]
#[ignore = "needs root and openssl; tests/run runs it"]
fn a_slow_endpoint_does_not_delay_the_others() {
    let slow = |row: &Row| row.verdict == Verdict::Unknown && row.codes == ["timeout"];
    let quick = |row: &Row| row.kind == Kind::Good && row.mode != "slow-banner";
    // The slow ones are asked for first.
    let mut mine = rows(|row| plain(row) && slow(row));
    mine.extend(rows(|row| plain(row) && quick(row)));
    let answer = verify(&mine, &["--json", "--timeout", "20"]).exits(4).json();
    let of = |wanted: &dyn Fn(&Row) -> bool| -> Vec<&Value> {
        let hosts: BTreeSet<&str> =
            mine.iter().filter(|row| wanted(row)).map(|row| row.host.as_str()).collect();
        let endpoints = answer["endpoints"].as_array().unwrap().iter();
        endpoints.filter(|seen| hosts.contains(seen["host"].as_str().unwrap())).collect()
    };
    let (slow, quick) = (of(&slow), of(&quick));
    assert!(slow.len() > 20 && quick.len() > 40, "{} {}", slow.len(), quick.len());
    let millis = |seen: &&Value| seen["millis"].as_u64().unwrap();
    let (first, last) = (slow.iter().map(millis).min(), quick.iter().map(millis).max());
    assert!(last < first, "a good endpoint took {last:?} ms, a slow one {first:?} ms");
    let proved_at = |seen: &&Value| seen["proved_at"].as_str().unwrap().to_owned();
    let (first, last) = (slow.iter().map(proved_at).min(), quick.iter().map(proved_at).max());
    assert!(last < first, "a good endpoint was done at {last:?}, a slow one at {first:?}");
    let address = |seen: &Value| seen["address"].as_str().unwrap().parse::<IpAddr>().unwrap();
    let endpoints = answer["endpoints"].as_array().unwrap();
    let asked: Vec<IpAddr> = mine.iter().flat_map(|row| row.addresses.clone()).collect();
    let told: Vec<IpAddr> = endpoints.iter().map(address).collect();
    assert_eq!(told, asked, "the answers come in the order of the targets");
}
