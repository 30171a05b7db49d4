//! What was done, when and why: a log of its own, since no run needs to know it.

use crate::model::Deed;
use crate::store::StoreError;
use crate::store::log::Log;

/// A larger log loses its older half: some 50,000 deeds are kept.
pub(in crate::store) const LIMIT: u64 = 16 << 20;

/// Keeps the log within its bound.
pub(in crate::store) fn tidy(log: &Log, limit: u64) -> Result<(), StoreError> {
    if log.look()?.is_none_or(|look| look.size <= limit) {
        return Ok(());
    }
    let mut deeds: Vec<Deed> = Vec::new();
    log.each(|deed| deeds.push(deed))?;
    log.fold(deeds.split_off(deeds.len() / 2).into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_log_that_has_grown_loses_its_older_half() {
        let root = tempfile::tempdir().unwrap();
        let log = Log::at(root.path().join("log"));
        let deed = |n: i64| Deed {
            at: Timestamp::from_unix(n),
            about: vec!["a.test".to_owned()],
            what: n.to_string(),
            because: None,
            error: None,
        };
        log.append(&(0..100).map(deed).collect::<Vec<_>>()).unwrap();
        let read = || {
            let mut deeds: Vec<Deed> = Vec::new();
            log.each(|deed| deeds.push(deed)).unwrap();
            deeds
        };
        tidy(&log, 1 << 20).unwrap();
        assert_eq!(read().len(), 100);
        tidy(&log, 1 << 10).unwrap();
        assert_eq!(read(), (50..100).map(deed).collect::<Vec<_>>());
    }
}
