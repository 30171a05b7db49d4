//! What a program costs: time, CPU, memory. And medians.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What one run of a program cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time, to 10 ms: the sum over many runs is as exact as a single one.
    pub(crate) cpu: Duration,
    /// The most memory it held at once, in KiB.
    pub(crate) peak: u64,
    /// Its exit status.
    pub(crate) status: i32,
}

/// Runs a program to its end; what it says is thrown away.
pub(crate) fn spent(command: &mut Command) -> Spent {
    let before = of_children();
    let start = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(child.id()));
        match child.try_wait().expect("it is ours") {
            Some(status) => break status,
            None => sleep(Duration::from_millis(1)),
        }
    };
    let status = status.code().unwrap_or(-1);
    Spent { wall: start.elapsed(), cpu: of_children() - before, peak, status }
}

/// Runs a program this often, after once for nothing: the median time, the mean CPU, the largest
/// peak.
pub(crate) fn often(times: u32, expected: i32, mut make: impl FnMut() -> Command) -> Spent {
    spent(&mut make());
    let all: Vec<Spent> = (0..times).map(|_| spent(&mut make())).collect();
    for one in &all {
        assert_eq!(one.status, expected, "{:?} ended with {}", make(), one.status);
    }
    Spent {
        wall: median(all.iter().map(|one| one.wall).collect()),
        cpu: all.iter().map(|one| one.cpu).sum::<Duration>() / times,
        peak: all.iter().map(|one| one.peak).max().unwrap_or(0),
        status: expected,
    }
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Milliseconds, with one decimal.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Says whether a bound holds, and returns it.
pub(crate) fn within(what: &str, found: f64, bound: f64) -> bool {
    let holds = found <= bound;
    println!("{} {what}: {found:.2}, at most {bound}", if holds { "ok    " } else { "MISSED" });
    holds
}

/// User and system time of all children so far: what wait4 gave the kernel to add up, in ticks of
/// 10 ms (fields 16 and 17 of proc_pid_stat(5)).
fn of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

/// The most memory a running process has held so far, in KiB; 0 once it has ended.
fn high_water(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
