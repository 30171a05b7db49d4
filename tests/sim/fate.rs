//! What happens in three years: the CA is down, the clock jumps, names die and come back.

use super::ca::Moment;
use super::chance::Chance;

const HOUR: Moment = 3_600;
const DAY: Moment = 24 * HOUR;
/// Each of these spans has one outage and one jump of the clock. They are at least three days
/// apart: the two at once are beyond what six days allow.
const SPAN: Moment = 30 * DAY;

/// The clock is wrong for a while.
pub(crate) struct Jump {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    pub(crate) by: i64,
    /// Across a boot: nothing tells that it jumped.
    pub(crate) boots: bool,
}

/// A host cannot be validated for a while.
pub(crate) struct Death {
    pub(crate) host: usize,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// All that happens.
pub(crate) struct Fate {
    pub(crate) outages: Vec<(Moment, Moment)>,
    pub(crate) jumps: Vec<Jump>,
    pub(crate) deaths: Vec<Death>,
}

impl Fate {
    /// From the end of the first issuance on (`start`), for certificates that live so long. Where
    /// that is some days only, a name does not die while the CA is down: its neighbours leave it
    /// behind with a sixth of their life left, which is a day then.
    pub(crate) fn of(
        chance: &mut Chance,
        life: Moment,
        hosts: usize,
        (start, end): (Moment, Moment),
    ) -> Self {
        let mut fate = Self { outages: Vec::new(), jumps: Vec::new(), deaths: Vec::new() };
        let mut at = start;
        while at + SPAN <= end {
            let below = |chance: &mut Chance, span: Moment| chance.below(span as usize) as Moment;
            let from = at + 2 * DAY + below(chance, 8 * DAY);
            let long = if chance.once_in(4) { 3 * DAY } else { below(chance, 3 * DAY) };
            fate.outages.push((from, from + long));
            let from = at + 16 * DAY + below(chance, 9 * DAY);
            let to = from + below(chance, 6 * HOUR);
            let longest = if chance.once_in(2) { 400 * DAY } else { 60 * DAY };
            let far = below(chance, longest);
            let by = if chance.once_in(2) { far } else { -far };
            fate.jumps.push(Jump { from, to, by, boots: chance.once_in(3) });
            for _ in 0..hosts / 200 {
                let (from, long) = match life < 10 * DAY {
                    true => (at + 13 * DAY + below(chance, 5 * DAY), 9 * DAY),
                    false => (at + below(chance, SPAN), 19 * DAY),
                };
                let to = from + DAY + below(chance, long);
                fate.deaths.push(Death { host: chance.below(hosts), from, to });
            }
            at += SPAN;
        }
        fate
    }

    pub(crate) fn is_down(&self, at: Moment) -> bool {
        self.outages.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    pub(crate) fn jump(&self, at: Moment) -> Option<&Jump> {
        self.jumps.iter().find(|jump| (jump.from..jump.to).contains(&at))
    }

    /// The next moment at which the clock is set.
    pub(crate) fn next_jump(&self, at: Moment) -> Option<Moment> {
        let moments = self.jumps.iter().flat_map(|jump| [jump.from, jump.to]);
        moments.filter(|moment| *moment > at).min()
    }
}
