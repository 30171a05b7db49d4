//! Which of the chains that a CA has for a certificate is taken: the preferred one, else the CA's
//! default; but none that senders refuse while they accept another.

use std::time::Duration;

use crate::flow::Means;
use crate::flow::authority::Authority;
use crate::issue::Issued;
use crate::model::{CertName, Code, Finding};
use crate::{survey, verify::judge};

/// How long the other chains of one certificate may take; those that did not come are not missed.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the chains.
struct Candidate {
    pem: String,
    /// The common name of the issuer at its top.
    top: Option<String>,
    /// Why senders refuse it, if they do.
    unfit: Option<String>,
}

/// Takes the right one of the chains, and says so where it is another than one would expect. The
/// CA is asked for further ones only where its default will not do.
pub(super) async fn choose(
    means: &Means<'_>,
    at: Authority<'_>,
    (name, mut issued): (&CertName, Issued),
) -> Issued {
    let Ok(facts) = judge::facts_of_chain(&issued.bundle.chain) else { return issued };
    let (known, now) = (means.how.known(), means.how.moment());
    let candidate = |pem: String| Candidate {
        top: judge::top_issuer(&pem),
        unfit: survey::unfit(&pem, &facts, known, now),
        pem,
    };
    let preferred = at.settings.preferred_chain.as_deref();
    let mut chains = vec![candidate(std::mem::take(&mut issued.bundle.chain))];
    if !suffices(&chains[0], preferred) {
        let asked = async {
            for url in &issued.alternates {
                match at.ca.alternate(url).await {
                    Ok(pem) if is_for(&pem, &facts.leaf) => chains.push(candidate(pem)),
                    Ok(_) => tracing::warn!(certificate = %name, url, "no chain for it is there"),
                    Err(why) => {
                        tracing::warn!(certificate = %name, url, "{}", why.sentence());
                    }
                }
            }
        };
        if tokio::time::timeout(PATIENCE, asked).await.is_err() {
            tracing::warn!(certificate = %name, "not all chains of the CA came within {PATIENCE:?}");
        }
    }
    let (chosen, said) = pick(&chains, preferred);
    issued.findings.extend(said.map(|said| Finding::new(Code::OtherChain, name, said)));
    issued.bundle.chain = chains.swap_remove(chosen).pem;
    issued
}

fn is_for(pem: &str, leaf: &crate::model::Sha256) -> bool {
    judge::facts_of_chain(pem).is_ok_and(|facts| facts.leaf == *leaf)
}

/// Whether no other could be better.
fn suffices(chain: &Candidate, preferred: Option<&str>) -> bool {
    chain.unfit.is_none() && preferred.is_none_or(|wanted| chain.top.as_deref() == Some(wanted))
}

/// Which of the chains, the default first, is taken; and what is to be said of that.
fn pick(chains: &[Candidate], preferred: Option<&str>) -> (usize, Option<String>) {
    let matching = preferred.map(|wanted| {
        chains.iter().position(|chain| chain.top.as_deref() == Some(wanted)).ok_or(wanted)
    });
    let first = matching.and_then(Result::ok).unwrap_or_default();
    let order = std::iter::once(first).chain(0..chains.len());
    // Where senders refuse all of them, the gate says what is to be done.
    let chosen = order.into_iter().find(|at| chains[*at].unfit.is_none()).unwrap_or_default();
    let taken = top(&chains[chosen]);
    let missing = matching.and_then(Result::err).map(|wanted| {
        let tops: Vec<&str> = chains.iter().map(top).collect();
        format!(
            "the CA has no chain to {wanted:?} (preferred-chain in [acme]) but to {}",
            tops.join(", ")
        )
    });
    let refused = chains[first].unfit.as_ref().filter(|_| chains[chosen].unfit.is_none());
    let refused =
        refused.map(|why| format!("senders refuse the chain to {} ({why})", top(&chains[first])));
    let said: Vec<String> = missing.into_iter().chain(refused).collect();
    if said.is_empty() {
        return (chosen, None);
    }
    (chosen, Some(format!("{}: the one to {taken} is taken", said.join("; "))))
}

fn top(chain: &Candidate) -> &str {
    chain.top.as_deref().unwrap_or("an issuer without a common name")
}

#[cfg(test)]
mod tests {
    use super::{Candidate, pick};

    /// `X` leads to X; `-X` does, too, and senders refuse it.
    fn chains(words: &str) -> Vec<Candidate> {
        let chain = |word: &str| Candidate {
            pem: String::new(),
            top: Some(word.trim_start_matches('-').to_owned()),
            unfit: word.starts_with('-').then(|| "untrusted-root".to_owned()),
        };
        words.split(' ').map(chain).collect()
    }

    #[test]
    fn the_preferred_chain_is_taken_then_the_default_then_any_that_senders_accept() {
        for (offered, preferred, taken, said) in [
            ("A B", None, 0, ""),
            ("A B", Some("A"), 0, ""),
            ("A B C", Some("C"), 2, ""),
            (
                "-A B C",
                None,
                1,
                "senders refuse the chain to A (untrusted-root): the one to B is taken",
            ),
            (
                "A -B",
                Some("B"),
                0,
                "senders refuse the chain to B (untrusted-root): the one to A is taken",
            ),
            (
                "-A -B C",
                Some("B"),
                2,
                "senders refuse the chain to B (untrusted-root): the one to C is taken",
            ),
            (
                "A B",
                Some("X"),
                0,
                "the CA has no chain to \"X\" (preferred-chain in [acme]) but to A, B: \
                                   the one to A is taken",
            ),
            (
                "-A B",
                Some("X"),
                1,
                "the CA has no chain to \"X\" (preferred-chain in [acme]) but to A, B; \
                                    senders refuse the chain to A (untrusted-root): the one to B is taken",
            ),
            // Nothing will do: the default is kept, and the gate speaks.
            ("-A -B", None, 0, ""),
            ("-A -B", Some("B"), 0, ""),
        ] {
            let (chosen, why) = pick(&chains(offered), preferred);
            assert_eq!((chosen, why.unwrap_or_default().as_str()), (taken, said), "{offered}");
        }
    }
}
