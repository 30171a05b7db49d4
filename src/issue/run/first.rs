//! What goes first, so that a failure costs little: names that failed before at the CA's staging
//! directory, and one name for all where nothing can be seen from here.

use super::{ROUNDS, Work};
use crate::issue::{Ca, Cause, Refusal, Solver};
use crate::model::{Challenge, Code, DnsId, Finding};

/// Names that go first where nothing can be seen from here.
const SCOUTS: usize = 2;

impl Work {
    /// What failed before is tried where failures count for nothing. How many names passed there.
    pub(super) async fn rehearse_at(
        &mut self,
        ca: &dyn Ca,
        solver: &dyn Solver,
        failed: &[DnsId],
    ) -> Result<usize, Refusal> {
        let failed = |name: &&DnsId| failed.contains(name);
        let mut again: Vec<DnsId> = self.names.iter().filter(failed).cloned().collect();
        // Those that pass beside one that does not are tried once more, without it.
        for _ in 0..ROUNDS {
            if again.is_empty() {
                break;
            }
            match ca.rehearse(&again, solver).await {
                Ok(passed) => return Ok(passed.len()),
                Err(refusal) => {
                    again.retain(|name| !refusal.names.contains(name));
                    self.leave_out(refusal);
                    self.may_go_on()?;
                }
            }
        }
        Ok(0)
    }

    /// Where nothing was seen of the names that are looked at from here, the CA itself looks first.
    pub(super) async fn scout_first(
        &mut self,
        ca: &dyn Ca,
        solver: &dyn Solver,
    ) -> Result<(), Refusal> {
        let (looked_at, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.names)
            .into_iter()
            .partition(|name| solver.kind(name) != Challenge::Dns01);
        self.names = looked_at;
        self.scout(ca, solver, others.is_empty()).await?;
        self.may_go_on()?;
        self.names.extend(others);
        self.names.sort();
        Ok(())
    }

    /// Where nothing was seen, one name goes first, and another if it fails: a path that is
    /// blocked for all of them costs two failures and not one for each name. `alone`: there are no
    /// names that take another way, and could do without these.
    async fn scout(
        &mut self,
        ca: &dyn Ca,
        solver: &dyn Solver,
        alone: bool,
    ) -> Result<(), Refusal> {
        for _ in 0..SCOUTS {
            let [first, _, ..] = self.names.as_slice() else { return Ok(()) };
            let first = first.clone();
            match ca.scout(&first, solver).await {
                Ok(()) => return Ok(()),
                Err(refusal) if refusal.names.contains(&first) && !self.must_end(&refusal) => {
                    self.leave_out(refusal);
                }
                Err(refusal) => return Err(self.refused(refusal)),
            }
        }
        let [next, ..] = self.names.as_slice() else { return Ok(()) };
        if !alone {
            self.leave_out_untried();
            return Ok(());
        }
        let message = format!(
            "nothing can be seen from here and the CA found no answer for {SCOUTS} names; {} and \
             the others ({} in all) were not tried",
            next,
            self.names.len()
        );
        let findings = vec![Finding::new(Code::OrderFailed, next, message)];
        let refusal =
            Refusal { findings, names: Vec::new(), retry_after: None, cause: Cause::Names };
        Err(self.refused(refusal))
    }

    /// Leaves out what is left of the names whose first ones failed.
    fn leave_out_untried(&mut self) {
        for name in std::mem::take(&mut self.names) {
            let message = format!(
                "{name}: nothing can be seen from here and the CA found no answer for {SCOUTS} \
                 names before it; it was not tried"
            );
            let finding = Finding::new(Code::OrderFailed, &name, message);
            self.left_out.push((name, finding));
        }
    }
}
