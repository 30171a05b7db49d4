//! [`Renewal`]: when a CA wants a certificate renewed (ARI, RFC 9773).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Sha256, Timestamp};

/// What the CA suggested for one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The beginning of the window it suggests.
    pub start: Timestamp,
    /// Its end; always after the beginning.
    pub end: Timestamp,
    /// Where it says why, if it does.
    pub explanation: Option<String>,
}

impl Renewal {
    /// The moment within the window for this certificate: as good as drawn by lot (RFC 9773
    /// section 4.2), and the same in every run, since its hash draws it.
    #[must_use]
    pub fn moment(&self, leaf: &Sha256) -> Timestamp {
        let drawn = leaf.0.iter().take(4).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let width = self.end.since(self.start).as_secs();
        let drawn = (u128::from(width) * u128::from(drawn)) >> 32;
        let drawn = u64::try_from(drawn).unwrap_or(width);
        self.start.plus(Duration::from_secs(drawn))
    }

    /// The part of the window after this moment, or the moment where the window is over by then.
    #[must_use]
    pub fn no_sooner(self, than: Timestamp) -> Self {
        let start = self.start.max(than);
        Self { start, end: self.end.max(start.plus(Duration::from_secs(1))), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::Renewal;
    use crate::model::{Sha256, Timestamp};

    #[test]
    fn the_moments_of_many_certificates_fill_the_window_and_stay_in_it() {
        let at = Timestamp::from_unix;
        let window = Renewal { start: at(1_000), end: at(2_000), explanation: None };
        let mut quarters = [0; 4];
        for number in 0..1000 {
            let leaf = Sha256::of(format!("{number}").as_bytes());
            let moment = window.moment(&leaf);
            assert!(moment >= window.start && moment < window.end, "{moment}");
            assert_eq!(moment, window.moment(&leaf));
            quarters[usize::try_from((moment.unix() - 1_000) / 250).unwrap()] += 1;
        }
        let later = window.clone().no_sooner(at(1_500));
        assert_eq!((later.start, later.end), (at(1_500), at(2_000)));
        let over = window.no_sooner(at(3_000));
        assert_eq!((over.start, over.end), (at(3_000), at(3_001)));
        assert!(quarters.iter().all(|count| (200..300).contains(count)), "{quarters:?}");
    }
}
