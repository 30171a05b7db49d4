//! What a certificate costs: mailcert's `issue` room as in a run (account, CAA, preflight,
//! listener, key, check of what came) against the smallest instant-acme program, in turn, at the
//! same Pebble. Needs root (port 80), Pebble and Knot. Ends with 1 where it is over twice.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a benchmark looks at the clock and says what it saw"
)]

#[expect(dead_code, reason = "here no program is run")]
mod measure;
mod minimal;
#[expect(dead_code, reason = "the live tests use more of it")]
#[path = "../world/mod.rs"]
mod world;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use mailcert::dns::{Asker, Resolver};
use mailcert::http::Http;
use mailcert::issue::{Acme, Book, Listener, Order, issue};
use mailcert::model::{CertName, Hostname, KeyType, Keys, Timestamp};
use mailcert::store::Memory;
use mailcert::trust::Roots;

use measure::{median, millis, within};
use minimal::Minimal;
use world::{Wish, World};

/// Rounds, each of so many certificates one after another and at once.
const ROUNDS: usize = 12;
const IN_A_ROW: usize = 4;
const AT_ONCE: usize = 8;
/// At most this many times the smallest program's time.
const BOUND: f64 = 2.0;

/// mailcert's side, opened as a run opens it.
struct Ours {
    acme: Acme,
    store: Arc<Memory>,
    dns: Asker<Resolver>,
    http: Http,
    listener: Listener,
}

impl Ours {
    fn open(world: &World, roots: &Roots) -> Self {
        let settings = mailcert::config::Acme {
            directory: world.ca(),
            ca_roots: None,
            contact: Vec::new(),
            agree_to_terms: true,
            keys: Keys::one(KeyType::EcdsaP256),
            reuse_key: false,
            profile: None,
            preferred_chain: None,
            names_per_certificate: 25,
            eab: None,
            staging: None,
        };
        let http = Http::new(roots, None).expect("a client");
        let store = Arc::new(Memory::new());
        let now = Timestamp::from_unix(1_790_000_000);
        let resolver = world.resolver().parse().expect("an address");
        Self {
            acme: Acme::new(&settings, http.clone(), store.clone(), now),
            store,
            dns: Asker::new(Resolver::new(&[resolver]).expect("a resolver")),
            http,
            listener: Listener::new(vec![port_80(world.postfix())]),
        }
    }

    async fn issue(&self, name: &str) {
        let names = vec![Hostname::parse(name).expect("a name")];
        let order = Order::of(names, KeyType::EcdsaP256);
        let certificate = CertName::parse(name).expect("a name");
        let now = Timestamp::from_unix(1_790_000_000);
        let book = Book {
            store: &*self.store,
            certificate: &certificate,
            ca: mailcert::model::Mark::of("ca"),
            now,
        };
        let Self { acme, dns, http, listener, .. } = self;
        let issued = issue(order, acme, dns, http, listener, &book).await;
        let issued = issued.unwrap_or_else(|refusal| panic!("{}", refusal.sentence()));
        assert!(issued.findings.is_empty(), "{:?}", issued.findings);
    }
}

fn port_80(address: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(address.into(), 80)
}

/// Times of one side: each certificate alone, and the eighth part of eight at once.
#[derive(Default)]
struct Times {
    alone: Vec<Duration>,
    at_once: Vec<Duration>,
}

/// One round of one side; `side` is the label its names stand below.
async fn round<F: Future<Output = ()>>(
    side: &str,
    number: usize,
    times: &mut Times,
    issue: impl Fn(String) -> F,
) {
    let name = |kind: &str, at: usize| format!("{kind}{number}-{at}.{side}.test");
    for at in 0..IN_A_ROW {
        let start = Instant::now();
        issue(name("alone", at)).await;
        times.alone.push(start.elapsed());
    }
    let start = Instant::now();
    let names = (0..AT_ONCE).map(|at| issue(name("together", at)));
    stream::iter(names).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    times.at_once.push(start.elapsed() / u32::try_from(AT_ONCE).unwrap_or(1));
}

async fn compare(world: &World) -> (Times, Times) {
    let pem = world.read("ca-https.pem");
    let roots = Roots::from_pem("the CA's own", &pem).expect("PEM");
    let ours = Ours::open(world, &roots);
    let least = Minimal::start(&world.ca(), roots.anchors, port_80(world.exim())).await;
    let (ours, least) = (&ours, &least);
    let ours = |name: String| async move { ours.issue(&name).await };
    let least = |name: String| async move { drop(least.issue(&name).await.expect("issued")) };
    let (mut ours_took, mut least_took) = (Times::default(), Times::default());
    // Once for nothing: the accounts, the first connections.
    round("ours", 0, &mut Times::default(), ours).await;
    round("least", 0, &mut Times::default(), least).await;
    for number in 1..=ROUNDS {
        round("ours", number, &mut ours_took, ours).await;
        round("least", number, &mut least_took, least).await;
    }
    (ours_took, least_took)
}

fn main() -> ExitCode {
    let mut world = World::without_mail(Wish { blocks: 52..=55, ..Wish::default() });
    let (one, two) = (world.postfix(), world.exim());
    world.add_to_zone(&[format!("*.ours A {one}"), format!("*.least A {two}")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (ours, least) = runtime.expect("a runtime").block_on(compare(&world));
    let mut good = true;
    for (what, ours, least) in [
        ("one after another", ours.alone, least.alone),
        ("eight at once", ours.at_once, least.at_once),
    ] {
        let count = ours.len();
        let (ours, least) = (median(ours), median(least));
        println!(
            "{what}: mailcert {}, the smallest program {} per certificate (medians of {count})",
            millis(ours),
            millis(least)
        );
        let ratio = ours.as_secs_f64() / least.as_secs_f64();
        good &= within(&format!("issuing {what}, times the smallest program"), ratio, BOUND);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
