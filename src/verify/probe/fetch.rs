//! What else is asked of a certificate's issuer, where that is wanted: its own certificate
//! (`--aia`), to tell what is missing, and its list of revoked certificates (`--crl`).
//!
//! The URLs are a stranger's: only http, bounded in bytes and time, each asked once in a run, and
//! nothing that comes back is ever a reason to accept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::http::Http;
use crate::model::{Code, Hostname};
use crate::verify::judge::{
    Crl, Judgement, Known, certificate_of, judge, revocation, revocation_unknown,
};
use crate::verify::{Fault, How, visible};

/// How many issuers' certificates are fetched for one chain.
const HOPS: usize = 3;
/// Most bytes of a certificate.
const CERTIFICATE: usize = 64 * 1024;
/// Most bytes of a list of revoked certificates.
const LIST: usize = 10 << 20;
/// Most that one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many answers of a kind are kept, and how many of their bytes.
const KEPT: (usize, usize) = (64, 32 << 20);
/// How many are fetched at a time: each may be as long as a list may be.
const AT_A_TIME: usize = 8;

/// What was fetched in this run, each URL once.
#[derive(Debug, Default)]
pub struct Fetched {
    issuers: Once<Vec<u8>>,
    lists: Once<Crl>,
}

type Answer<T> = Arc<OnceCell<Result<T, String>>>;

/// Answers by their URL; who comes second waits for the first.
#[derive(Debug)]
struct Once<T> {
    kept: Mutex<Kept<T>>,
    turns: Semaphore,
}

#[derive(Debug)]
struct Kept<T> {
    answers: HashMap<String, Answer<T>>,
    bytes: usize,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        let kept = Kept { answers: HashMap::new(), bytes: 0 };
        Self { kept: Mutex::new(kept), turns: Semaphore::new(AT_A_TIME) }
    }
}

impl<T> Once<T> {
    /// The place for the answer of `url`. `more` bytes came since the last time; what is too much
    /// goes, and those who still read it keep it.
    fn slot(&self, url: &str, more: usize) -> Answer<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += more;
        let full = kept.answers.len() >= KEPT.0 && !kept.answers.contains_key(url);
        let slot = kept.answers.get(url).map(Arc::clone);
        if full || kept.bytes > KEPT.1 {
            kept.answers.clear();
            kept.bytes = 0;
        }
        slot.unwrap_or_else(|| Arc::clone(kept.answers.entry(url.to_owned()).or_default()))
    }

    /// The answer of `url`, read by `read`; what went wrong stays so for this run.
    async fn ask(
        &self,
        (http, url): (&Http, &str),
        limit: usize,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Answer<T> {
        let slot = self.slot(url, 0);
        let mut bytes = 0;
        let fetch = async {
            // The turns live as long as the run and are never closed.
            let _turn = self.turns.acquire().await.ok();
            let whole = timeout(PATIENCE, http.fetch_at_most(url, limit)).await;
            let late = || format!("no answer within {} s", PATIENCE.as_secs());
            let body = whole.map_err(|_| late())?.map_err(|error| visible(&error.to_string()))?;
            bytes = body.len();
            read(&body)
        };
        slot.get_or_init(|| fetch).await;
        if bytes > 0 {
            self.slot(url, bytes);
        }
        slot
    }
}

/// The faults of a judged chain, with what its issuer says of it where `how` wants that asked.
pub(super) async fn faults(
    sent: &[Vec<u8>],
    host: &Hostname,
    how: &How,
    deadline: Instant,
    judgement: &Judgement,
) -> Vec<Fault> {
    let extras = &how.extras;
    let Some(http) = extras.http.as_ref().filter(|_| extras.aia || extras.crl) else {
        return judgement.faults.clone();
    };
    let mut pool = Vec::new();
    let mut faults = None;
    if extras.aia && judgement.issuer_url.is_some() {
        pool.extend_from_slice(&extras.intermediates);
        let finished = timeout_at(deadline, finish(sent, host, how, http, judgement, &mut pool));
        faults = finished.await.ok();
    }
    let mut faults = faults.unwrap_or_else(|| judgement.faults.clone());
    if extras.crl {
        let intermediates = if pool.is_empty() { &**extras.intermediates } else { &pool };
        let known = Known { roots: &how.roots, intermediates };
        let asked = timeout_at(deadline, revoked(sent, known, how, http, judgement)).await;
        let late = |_| Some(revocation_unknown("the time for this endpoint is used up"));
        faults.extend(asked.unwrap_or_else(late));
    }
    faults
}

/// Goes up to three issuers further by the URLs in the certificates, and judges again.
async fn finish(
    sent: &[Vec<u8>],
    host: &Hostname,
    how: &How,
    http: &Http,
    judgement: &Judgement,
    pool: &mut Vec<Vec<u8>>,
) -> Vec<Fault> {
    let mut judged = judgement.clone();
    let mut notes = Vec::new();
    for _ in 0..HOPS {
        let Some(url) = judged.issuer_url.clone() else { break };
        let issuers = &how.extras.fetched.issuers;
        let answer = issuers.ask((http, &url), CERTIFICATE, certificate_of).await;
        match answer.get() {
            Some(Ok(der)) if !pool.contains(der) => {
                pool.push(der.clone());
                notes.push(format!("fetched from {url}"));
            }
            Some(Err(why)) => {
                notes.push(format!("nothing was fetched from {url}: {why}"));
                break;
            }
            // It is another issuer's, or the certificate names its own place.
            _ => break,
        }
        let known = Known { roots: &how.roots, intermediates: pool };
        judged = judge(sent, host, known, how.moment());
    }
    let told = judged.faults.iter_mut().find(|fault| is_about_issuers(fault.code));
    if let (Some(fault), false) = (told, notes.is_empty()) {
        let why = fault.why.take().map(|why| format!("{why} ")).unwrap_or_default();
        fault.why = Some(format!("{why}({})", notes.join(", ")));
    }
    judged.faults
}

fn is_about_issuers(code: Code) -> bool {
    matches!(code, Code::MissingIntermediate | Code::WrongIntermediate | Code::UntrustedRoot)
}

/// What the issuer's list says.
async fn revoked(
    sent: &[Vec<u8>],
    known: Known<'_>,
    how: &How,
    http: &Http,
    judgement: &Judgement,
) -> Option<Fault> {
    // Without a certificate there is nothing to ask for.
    judgement.certificate.as_ref()?;
    let Some(url) = &judgement.crl_url else {
        return Some(revocation_unknown("the certificate names no list under http"));
    };
    let read = |bytes: &[u8]| Crl::read(bytes, &how.roots);
    let answer = how.extras.fetched.lists.ask((http, url), LIST, read).await;
    match answer.get()? {
        Ok(list) => revocation(sent, known, (list, url), how.moment()),
        Err(why) => Some(revocation_unknown(&format!("the list at {url}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{KEPT, Once};

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes() {
        let once = Once::<u8>::default();
        let first = once.slot("http://a.example/", 0);
        assert!(Arc::ptr_eq(&first, &once.slot("http://a.example/", KEPT.1)));
        once.slot("http://a.example/", 1);
        assert!(!Arc::ptr_eq(&first, &once.slot("http://a.example/", 0)));
        for number in 0..10 * KEPT.0 {
            once.slot(&format!("http://{number}.example/"), 0);
            assert!(once.kept.lock().unwrap().answers.len() <= KEPT.0);
        }
    }
}
