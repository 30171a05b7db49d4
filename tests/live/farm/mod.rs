//! The farm: a mail server for every way to be right and for every way to be wrong, each on a
//! loopback address of its own, with an inventory that says what `verify` has to find there.
//!
//! What is expected comes from the contract, never from what the program says. The live tests
//! start it, and `cargo run --example farm` does for those who want to look at it.

#![allow(dead_code, reason = "the example and the tests each use the part they need")]

mod certificates;
mod dialogue;
#[path = "../../support/dns_server.rs"]
mod dns_server;
mod good;
mod hostile;
pub(crate) mod inventory;
mod mail;
mod mode;
mod names;
mod old;
mod openssl;
mod pki;
mod policies;
mod range;
mod tls;
mod trap;
mod web;
mod words;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dns_server::DnsServer;
pub(crate) use inventory::Row;
use mail::Mail;
use mode::At;
pub(crate) use mode::Kind;
use mode::Mode;
use pki::Pki;
pub(crate) use range::Range;

/// Which farm is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The addresses to choose from.
    pub(crate) listen: Range,
    /// Whether every mode is served, or only the good endpoints that are asked for.
    pub(crate) modes: bool,
    /// Endpoints of each hostile mode.
    pub(crate) hostile: usize,
    /// That many good endpoints more, each with an address, a key and a certificate of its own.
    pub(crate) good: usize,
    /// How long these wait before each reply.
    pub(crate) delay: Duration,
}

/// The running farm. It has a thread of its own and ends with the process.
pub(crate) struct Farm {
    /// What is where.
    pub(crate) rows: Vec<Row>,
    /// The root in PEM, for `--roots`.
    pub(crate) roots: PathBuf,
    /// Who answers for the farm's names, for `--dns`.
    pub(crate) dns: DnsServer,
    _claim: TcpListener,
}

impl Farm {
    /// Starts every server; `directory` takes certificates and sockets.
    pub(crate) fn start(wish: &Wish, directory: &Path) -> Self {
        range::open_more_files();
        let claim = wish.listen.claim();
        let mut addresses = wish.listen.addresses();
        let mut next = || addresses.next().expect("a block with enough addresses");
        let (dns, web) = (format!("{}:53", next()), next());
        let pki = Pki::new(directory, &format!("http://{web}"));
        let modes = modes(&pki, wish);
        let mut servers = Vec::new();
        let mut rows = Vec::new();
        for mode in &modes {
            let mut at = Vec::new();
            for place in &mode.at {
                let address = match place {
                    At::Elsewhere(address) => *address,
                    At::Mail(_) if mode.name == "ipv6" => "::1".parse().expect("an address"),
                    _ => IpAddr::V4(next()),
                };
                if let At::Mail(mail) = place {
                    servers.push((bound((address, mode.port).into()), Arc::new((**mail).clone())));
                }
                at.push(address);
            }
            rows.push(Row::new(mode, at, &dns));
        }
        let dns = DnsServer::start(&dns, &inventory::zone(&modes, &rows, web));
        let files = (bound((web, 80).into()), certificates::files(&pki));
        let policies = (bound((web, 443).into()), web::Policies::of(&modes, &pki));
        std::thread::Builder::new()
            .name("farm".to_owned())
            .spawn(move || serve(servers, files, policies))
            .expect("a thread");
        Self { rows, roots: pki.roots(), dns, _claim: claim }
    }
}

/// Every mode there is.
fn modes(pki: &Pki, wish: &Wish) -> Vec<Mode> {
    let mut modes = Vec::new();
    if wish.modes {
        modes.extend(good::modes(pki));
        modes.extend(certificates::modes(pki));
        modes.extend(names::modes(pki));
        modes.extend(old::modes(pki));
        modes.extend(dialogue::modes(pki));
        modes.extend(hostile::modes(pki, wish.hostile));
        modes.extend(policies::modes(pki));
    }
    let plain = |number: usize| {
        let mode = Mode::new(Kind::Good, &format!("good-{number}"), "one of many");
        mode.good(pki).but(|mail| mail.delayed(wish.delay))
    };
    modes.extend((0..wish.good).map(plain));
    modes
}

fn bound(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address)
        .unwrap_or_else(|error| panic!("{address}: {error}; the farm needs root and its block"));
    listener.set_nonblocking(true).expect("a socket can");
    listener
}

/// Answers everywhere until the process ends.
fn serve(
    servers: Vec<(TcpListener, Arc<Mail>)>,
    files: (TcpListener, web::Files),
    policies: (TcpListener, web::Policies),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for (listener, mail) in servers {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tokio::spawn(async move {
                loop {
                    // Too many open files is over when a client has gone.
                    let Ok((stream, _)) = listener.accept().await else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    let mail = Arc::clone(&mail);
                    // A client that hangs up is not a failure of the server.
                    tokio::spawn(async move { mail.serve(stream).await.ok() });
                }
            });
        }
        let listener = tokio::net::TcpListener::from_std(policies.0).expect("a listener");
        tokio::spawn(policies.1.serve(listener));
        let listener = tokio::net::TcpListener::from_std(files.0).expect("a listener");
        web::serve(&listener, &files.1).await;
    });
}
