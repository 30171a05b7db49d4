//! What a thousand endpoints cost `mailcert verify`, beside the smallest tokio-rustls program with
//! the same dialogues and beside `posttls-finger` under `xargs -P8`; and how long they take where
//! each reply comes 50 ms late. Needs root (port 25).

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark runs programs and says what they cost"
)]

mod mail;
mod measure;
mod smallest;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use measure::{Spent, median, millis, often, spent, within};

/// Endpoints, each with an address of its own.
const MANY: u16 = 1000;
/// Rounds; the programs take turns in each.
const ROUNDS: usize = 5;
/// Times the CPU of the smallest program, at most.
const SMALLEST: f64 = 2.0;
/// Of the CPU of `posttls-finger`, at most.
const FINGER: f64 = 0.1;
/// Peak memory in MiB, at most.
const MEMORY: f64 = 48.0;
/// Before each reply in the second part, and how many seconds all may take.
const DELAY: Duration = Duration::from_millis(50);
const SECONDS: f64 = 3.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, targets, roots, handshakes] = arguments.as_slice()
        && word == "smallest"
    {
        return smallest::main(targets, roots, handshakes.parse().expect("a number"));
    }
    let directory = tempfile::tempdir().expect("a directory");
    // posttls-finger wants a Postfix, however empty.
    std::fs::write(directory.path().join("main.cf"), "").expect("written");
    let fast = World::new(77, Duration::ZERO, directory.path());
    let slow = World::new(78, DELAY, directory.path());
    let cheap = cpu(&fast, directory.path());
    if cheap & wall(&slow) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A thousand servers at 127.N.0.0/16, their root, and the list of them.
struct World {
    addresses: Vec<Ipv4Addr>,
    roots: PathBuf,
    targets: PathBuf,
}

impl World {
    fn new(number: u8, delay: Duration, directory: &Path) -> Self {
        let at = |n: u16| Ipv4Addr::new(127, number, (n / 250) as u8, (n % 250 + 1) as u8);
        let addresses: Vec<Ipv4Addr> = (0..MANY).map(at).collect();
        let (roots, targets) =
            (directory.join(format!("{number}.pem")), directory.join(format!("{number}.txt")));
        mail::serve(&addresses, host, &roots, delay);
        let mut lines = String::new();
        for (number, address) in addresses.iter().enumerate() {
            writeln!(lines, "{}:25 {address}", host(number)).expect("into a text");
        }
        std::fs::write(&targets, lines).expect("written");
        Self { addresses, roots, targets }
    }

    /// `mailcert verify` of all of them.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailcert"));
        command.args(["-q", "verify", "--targets"]).arg(&self.targets);
        command.arg("--roots").arg(&self.roots).args(options);
        command
    }

    fn mailcert(&self, options: &[&str]) -> Spent {
        let found = spent(&mut self.command(options));
        assert_eq!(found.status, 0, "{:?}", self.command(options));
        found
    }

    /// The smallest program, with so many handshakes for each.
    fn smallest(&self, handshakes: u8) -> Spent {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("smallest").args([&self.targets, &self.roots]).arg(handshakes.to_string());
        let found = spent(&mut command);
        assert_eq!(found.status, 0, "{command:?}");
        found
    }

    /// One `posttls-finger` for each, eight at a time.
    fn finger(&self, directory: &Path) -> Spent {
        let mut lines = String::new();
        for (number, address) in self.addresses.iter().enumerate() {
            writeln!(lines, "[{address}]:25 {}", host(number)).expect("into a text");
        }
        let file = directory.join("finger.txt");
        std::fs::write(&file, lines).expect("written");
        let mut command = Command::new("xargs");
        command.env("MAIL_CONFIG", directory).arg("-a").arg(&file).args(["-P8", "-L1"]);
        command.args(["posttls-finger", "-c", "-l", "secure", "-F"]).arg(&self.roots);
        let found = spent(&mut command);
        assert_eq!(found.status, 0, "{command:?}");
        found
    }
}

fn host(number: usize) -> String {
    format!("mx{number}.bench.test")
}

/// The programs in turn; the ratios are those of the medians.
fn cpu(world: &World, directory: &Path) -> bool {
    let mut all: [Vec<Spent>; 6] = Default::default();
    for _ in 0..ROUNDS {
        all[0].push(world.mailcert(&[]));
        all[1].push(world.smallest(4));
        all[2].push(world.mailcert(&["--quick"]));
        all[3].push(world.smallest(3));
        all[4].push(world.mailcert(&["--quick", "--tries", "1"]));
        all[5].push(world.finger(directory));
    }
    let names = [
        "mailcert verify (4 handshakes, a second look)",
        "the smallest program, 4 handshakes",
        "mailcert verify --quick (3 handshakes)",
        "the smallest program, 3 handshakes",
        "mailcert verify --quick --tries 1 (2)",
        "posttls-finger with xargs -P8 (1)",
    ];
    println!("{MANY} endpoints, SMTP with STARTTLS (medians of {ROUNDS} runs):");
    let mut cpus = [0.0; 6];
    for ((name, runs), cpu) in names.iter().zip(&all).zip(&mut cpus) {
        let of = |part: fn(&Spent) -> Duration| median(runs.iter().map(part).collect());
        *cpu = of(|run| run.cpu).as_secs_f64();
        println!(
            "  {name:<46} CPU {cpu:>6.2} s, wall {:>10}, peak {:>5.1} MiB",
            millis(of(|run| run.wall)),
            peak(runs)
        );
    }
    let memory = all[0].iter().chain(&all[2]).copied().collect::<Vec<_>>();
    [
        within("CPU, times the smallest program", cpus[0] / cpus[1], SMALLEST),
        within("the same with --quick", cpus[2] / cpus[3], SMALLEST),
        within("CPU with --quick --tries 1, of posttls-finger's", cpus[4] / cpus[5], FINGER),
        within("peak memory, MiB", peak(&memory), MEMORY),
    ]
    .iter()
    .all(|held| *held)
}

fn peak(runs: &[Spent]) -> f64 {
    runs.iter().map(|run| run.peak).max().unwrap_or(0) as f64 / 1024.0
}

/// How long all take where each reply is late.
fn wall(world: &World) -> bool {
    let rounds = u32::try_from(ROUNDS).expect("a few");
    let wall = often(rounds, 0, || world.command(&["--concurrency", "512"])).wall;
    println!("{MANY} endpoints, each reply {} ms late: {}", DELAY.as_millis(), millis(wall));
    within("wall with --concurrency 512, s", wall.as_secs_f64(), SECONDS)
}
