//! [`Silent`]: CAs that answer nobody while orders are under way; they are asked no more.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::issue::{Cause, Issued, Refusal};
use crate::model::Mark;
use crate::store::StoreError;

/// So many orders without an answer, and none with one: the CA is left alone.
const ENOUGH: usize = 3;

/// What the CAs answered so far in this round.
pub(super) struct Silent {
    /// CAs that did not even say who they are, and what was said of that.
    alone: BTreeMap<Mark, String>,
    heard: Mutex<BTreeMap<Mark, Heard>>,
}

#[derive(Default)]
struct Heard {
    /// Whether one order was answered, whatever the answer.
    answers: bool,
    unanswered: usize,
    last: Option<Refusal>,
}

impl Heard {
    fn is_silent(&self) -> bool {
        !self.answers && self.unanswered >= ENOUGH
    }
}

impl Silent {
    pub(super) fn after(alone: BTreeMap<Mark, String>) -> Self {
        Self { alone, heard: Mutex::default() }
    }

    /// Why a CA is not asked, if it is not.
    pub(super) fn why(&self, ca: Mark) -> Option<String> {
        if let Some(why) = self.alone.get(&ca) {
            return Some(why.clone());
        }
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.get(&ca).filter(|heard| heard.is_silent())?.last.as_ref()?;
        Some(format!("not asked: {}", last.sentence()))
    }

    /// What came of an order.
    pub(super) fn hear(&self, ca: Mark, answer: &Result<Result<Issued, Refusal>, StoreError>) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = heard.entry(ca).or_default();
        match answer {
            Ok(Err(refusal)) if refusal.cause == Cause::Down => {
                heard.unanswered += 1;
                heard.last = Some(refusal.clone());
            }
            Ok(Ok(_)) => heard.answers = true,
            Ok(Err(refusal)) => heard.answers |= refusal.by_ca(),
            Err(_) => {}
        }
    }

    /// The CAs that were asked: what they said that are to be left alone, nothing of those that
    /// answered.
    pub(super) fn heard(self) -> Vec<(Mark, Option<Refusal>)> {
        let heard = self.heard.into_inner().unwrap_or_else(PoisonError::into_inner);
        let all = heard.into_iter();
        let worth = all.filter(|(_, heard)| heard.answers || heard.is_silent());
        worth.map(|(ca, heard)| (ca, heard.last.filter(|_| !heard.answers))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Silent;
    use crate::issue::{Cause, Refusal};
    use crate::model::{Code, Finding, Mark};

    fn refusal(cause: Cause) -> Refusal {
        let findings = vec![Finding::new(Code::CaUnreachable, "ca", "no answer")];
        Refusal { findings, names: Vec::new(), retry_after: None, cause }
    }

    #[test]
    fn a_ca_without_an_answer_to_three_orders_is_asked_no_more_and_one_answer_is_enough() {
        use Cause::{Ca, Down, Names, Ours};
        let ca = Mark::of("ca");
        for (causes, asked, left_alone) in [
            (&[][..], true, None),
            (&[Down, Down], true, None),
            (&[Down, Ours, Down], true, None),
            (&[Down, Down, Down], false, Some(true)),
            // One order that it answers, whatever it says: it is one of the others that is odd.
            (&[Down, Down, Names, Down, Down], true, Some(false)),
            (&[Ca], true, Some(false)),
        ] {
            let silent = Silent::after([(Mark::of("dead"), "nobody there".to_owned())].into());
            assert_eq!(silent.why(Mark::of("dead")).as_deref(), Some("nobody there"));
            causes.iter().for_each(|cause| silent.hear(ca, &Ok(Err(refusal(*cause)))));
            let why = silent.why(ca);
            assert_eq!(why.is_none(), asked, "{causes:?}");
            assert!(why.is_none_or(|why| why == "not asked: no answer"));
            let heard = silent.heard().into_iter().map(|(_, refusal)| refusal.is_some()).next();
            assert_eq!(heard, left_alone, "{causes:?}");
        }
    }
}
