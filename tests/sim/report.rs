//! Trials, and what came of them in a line.

use mailcert::plan::{Limit, Limits};

use super::machine::{DIRECTORY, Machine, Outcome, Trial};

const DAY: i64 = 86_400;
/// What issuing one certificate asks of the CA (facts of the benchmark `issue`).
const REQUESTS: f64 = 9.0;

/// Certificates of each kind that there is or will be: days, whether renewals are announced.
pub(crate) const KINDS: [(f64, bool); 4] =
    [(64.0, false), (45.0, false), (6.0 + 16.0 / 24.0, false), (6.0 + 16.0 / 24.0, true)];

/// Let's Encrypt's limits, scaled to fewer domains than 10,000: what all share shrinks, what
/// counts by name does not.
pub(crate) fn limits(domains: usize) -> Limits {
    let scaled = |limit: Option<Limit>| {
        limit.map(|limit| Limit { most: (limit.most * domains).div_ceil(10_000), ..limit })
    };
    let real = Limits::of(DIRECTORY);
    Limits { all: scaled(real.all), orders: scaled(real.orders), ..real }
}

/// As often as orders have room: limits count by three hours.
const FIRST: i64 = 3 * HOUR;
/// A timer that comes twice a day, or four times where certificates live for days.
const LATER: (i64, i64) = (12 * HOUR, 6 * HOUR);
const HOUR: i64 = 3_600;

/// Three years of so many domains.
pub(crate) fn trial((days, announces): (f64, bool), domains: usize) -> Trial {
    let later = if days < 10.0 { LATER.1 } else { LATER.0 };
    Trial {
        domains,
        days: 3 * 365,
        life: (days * DAY as f64) as i64,
        announces,
        limits: limits(domains),
        pauses: (FIRST, later),
        seed: 20_261_126,
    }
}

/// Lives it, and says what it was like.
pub(crate) fn tried(trial: &Trial) -> Result<String, String> {
    let life = trial.life as f64 / DAY as f64;
    let announced = if trial.announces { "announced" } else { "plain" };
    let what = format!("{} domains, {life:.1} days, {announced}", trial.domains);
    let Outcome { ca, looks, first, least, planning } =
        Machine::new(trial).live().map_err(|why| format!("{what}: {why}"))?;
    // The first issuance is told by itself.
    let quiet = &ca.days[60..];
    let mean = quiet.iter().map(|day| f64::from(*day)).sum::<f64>() / quiet.len() as f64;
    let most = quiet.iter().max().copied().unwrap_or(0);
    let third = ca.thirds[60 * 8..].iter().max().copied().unwrap_or(0);
    let day = |at: i64| at as f64 / DAY as f64;
    Ok(format!(
        "{what}: first issuance {:.1} days ({:.1} with those of one domain); orders a day {mean:.0}, \
         at most {most}, in 3 hours at most {third}; requests a day {:.0}; most in the CA's \
         windows {:?}; least left at a renewal {:.0} %; {looks} plans of {:.1} ms",
        day(first.0),
        day(first.1),
        mean * REQUESTS,
        ca.most,
        least * 100.0,
        planning.as_secs_f64() * 1000.0 / looks as f64,
    ))
}
