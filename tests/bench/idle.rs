//! What a run with nothing to do costs, with 1,000 and 10,000 domains: a store and a diary as a
//! real first run leaves them, an Exim that answers questions, and listeners where everything is
//! that a run could ask, which must not be asked; and beside it what `certbot renew` takes with the same certificates.
//! Ends with 1 where a bound is missed.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark runs programs and says what they cost"
)]

#[path = "../world/block.rs"]
mod block;
#[path = "idle/certbot.rs"]
mod certbot;
#[path = "idle/first.rs"]
mod first;
mod measure;

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use block::Block;
use measure::{Spent, millis, often, within};

/// How long 10,000 domains may take, in seconds.
const BOUND: f64 = 1.0;
/// How many times the run with 1,000 domains one with 10,000 may take.
const TIMES_FOR_TEN: f64 = 12.0;
/// The most memory that 1,000 domains may take, in MiB.
const PEAK: f64 = 96.0;
/// At most this part of the time of `certbot renew`.
const PART_OF_CERTBOT: f64 = 0.05;

/// A machine with so many domains, all of them on its Exim.
struct Machine {
    directory: PathBuf,
    address: Ipv4Addr,
    ca: Ipv4Addr,
    resolver: Ipv4Addr,
    domains: usize,
}

fn main() -> ExitCode {
    // The sizes come from the command line for whoever profiles: `cargo bench --bench idle 300`.
    let typed = std::env::args().filter_map(|word| word.parse().ok());
    let sizes: Vec<usize> = typed.collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    let block = Block::take(52..=55);
    let mut good = true;
    let mut runs: Vec<Spent> = Vec::new();
    for domains in sizes {
        let (run, holds) = measured(&block, domains);
        good &= holds;
        runs.push(run);
    }
    if let [small, large] = runs[..] {
        let times = large.wall.as_secs_f64() / small.wall.as_secs_f64();
        good &= within("10,000 domains, times the run with 1,000", times, TIMES_FOR_TEN);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measured(block: &Block, domains: usize) -> (Spent, bool) {
    // In memory where that is possible: what a run reads is in the page cache anyway, and the
    // first run writes 100,000 files with as many fsyncs.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::Builder::new().prefix("mailcert-idle-").tempdir_in(place);
    let directory = directory.expect("a directory");
    let [address, ca, resolver] = [10, 14, 53].map(|last| block.address(last));
    let path = directory.path().to_owned();
    let machine = Machine { directory: path, address, ca, resolver, domains };
    machine.write();
    let start = Instant::now();
    first::run(&machine);
    println!("{domains} domains (a first run took {:.0} s):", start.elapsed().as_secs_f64());
    let mut exim = machine.start_exim();
    let silent = Silent::listen(&machine);
    // Nothing to do: 3 would say that there are steps.
    let plan = often(5, 0, || machine.mailcert(&["plan"]));
    let run = often(5, 0, || machine.mailcert(&["run"]));
    let json = often(5, 0, || machine.mailcert(&["run", "--json"]));
    let status = often(5, 0, || machine.mailcert(&["status"]));
    let page = often(5, 0, || machine.mailcert(&["status", "--format", "html"]));
    let html =
        machine.mailcert(&["status", "--format", "html"]).output().expect("it starts").stdout;
    silent.nobody_came();
    exim.kill().and_then(|()| exim.wait()).expect("it is ours");
    let all =
        [("plan", plan), ("run", run), ("run --json", json), ("status", status), ("page", page)];
    for (what, found) in all {
        println!(
            "  {what:<10} wall {:>9}, CPU {:>9}, peak {:>7} KiB",
            millis(found.wall),
            millis(found.cpu),
            found.peak
        );
    }
    println!("  the page has {:.1} MiB", html.len() as f64 / 1_048_576.0);
    // Where it is kept, to be looked at.
    if let Some(file) = std::env::var_os("PAGE") {
        std::fs::write(file, &html).expect("written");
    }
    // The bound is one of 10,000 domains; for fewer, as much less.
    let bound = BOUND * (domains as f64 / 10_000.0).max(0.25);
    let what = format!("a run with nothing to do, {domains} domains");
    let mut good = within(&format!("{what}, s"), run.wall.as_secs_f64(), bound);
    if domains <= 1_000 {
        good &= within(&format!("{what}, peak MiB"), run.peak as f64 / 1024.0, PEAK);
        let certbot = certbot::renew(&machine);
        println!("  certbot    wall {:>9}, peak {:>7} KiB", millis(certbot.wall), certbot.peak);
        // At least so many times as quick: one over it is at most one over that.
        let part = run.wall.as_secs_f64() / certbot.wall.as_secs_f64();
        good &= within(&format!("{what}, part of certbot renew"), part, PART_OF_CERTBOT);
    }
    (run, good)
}

/// Where a run could ask: DNS, CA, mail server.
struct Silent {
    dns: UdpSocket,
    tcp: Vec<TcpListener>,
}

impl Silent {
    fn listen(machine: &Machine) -> Self {
        let dns = UdpSocket::bind((machine.resolver, 53)).expect("port 53 needs root");
        let places = [(machine.resolver, 53), (machine.ca, 14000)].into_iter();
        let mail = [25, 465, 587].map(|port| (machine.address, port));
        let tcp = places.chain(mail).map(|at| TcpListener::bind(at).expect("a listener"));
        Self { dns, tcp: tcp.collect() }
    }

    fn nobody_came(&self) {
        self.dns.set_nonblocking(true).expect("a socket can");
        assert!(self.dns.recv(&mut [0; 512]).is_err(), "the DNS was asked");
        for listener in &self.tcp {
            listener.set_nonblocking(true).expect("a socket can");
            assert!(listener.accept().is_err(), "somebody connected to {listener:?}");
        }
    }
}

impl Machine {
    fn path(&self, relative: &str) -> PathBuf {
        self.directory.join(relative)
    }

    fn mailcert(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailcert"));
        command.arg("-c").arg(self.path("mailcert.toml")).args(arguments);
        command
    }

    /// The configuration, and an Exim with the split layout that answers questions.
    fn write(&self) {
        let (own, address) = (self.directory.display(), self.address);
        let domains = (0..self.domains).map(|n| format!("[[domain]]\nname = \"d{n:05}.test\"\n"));
        let config = format!(
            r#"[acme]
directory = "https://{ca}:14000/dir"
agree-to-terms = true
[challenge.http-01]
listen = ["{address}:80"]
[dns]
servers = ["{resolver}:53"]
[machine]
addresses = ["{address}"]
[state]
directory = "{own}/state"
[[exim]]
binary = "{own}/exim4"
config-file = "{own}/exim.conf"
reload = ["true"]
{domains}"#,
            ca = self.ca,
            resolver = self.resolver,
            domains = domains.collect::<String>(),
        );
        let exim = format!(
            r"#!/bin/sh
case $* in
*-bV) echo 'Exim version 4.96 #2 built x'; echo 'Configuration file is {own}/exim.conf' ;;
*) cat <<'END'
tls_certificate = ${{if exists{{{own}/tls/exim.crt.${{tls_sni}}}}{{{own}/tls/exim.crt.${{tls_sni}}}}{{{own}/tls/exim.crt}}}}
tls_privatekey = ${{if exists{{{own}/tls/exim.key.${{tls_sni}}}}{{{own}/tls/exim.key.${{tls_sni}}}}{{{own}/tls/exim.key}}}}
tls_advertise_hosts = *
tls_on_connect_ports = 465
daemon_smtp_ports = 25 : 465 : 587
local_interfaces = {address}
primary_hostname = mx.d00000.test
exim_user = root
exim_group = root
pid_file_path = {own}/exim.pid
spool_directory = {own}
END
esac
"
        );
        for (file, text, mode) in [
            ("mailcert.toml", &config, 0o600),
            ("exim4", &exim, 0o755),
            ("exim.conf", &own.to_string(), 0o644),
        ] {
            std::fs::write(self.path(file), text).expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(self.path(file), mode).expect("chmod");
        }
    }

    /// A process by the name of Exim, and its pid where Exim has it. Until then it does not run,
    /// and the first run proves nothing.
    fn start_exim(&self) -> Child {
        let daemon = self.path("exim-daemon");
        std::fs::copy("/bin/sleep", &daemon).expect("a copy");
        let mut command = Command::new(daemon);
        let child = command.arg("600").stdout(Stdio::null()).spawn().expect("it starts");
        std::fs::write(self.path("exim.pid"), child.id().to_string()).expect("written");
        child
    }
}
