//! Proofs: a look at every certificate that changed, or that was not looked at for long.

use std::collections::BTreeMap;

use crate::model::{CertName, Timestamp, Version};
use crate::plan::layout::{Pending, Scene};
use crate::plan::server::Sheet;
use crate::plan::{Action, Draft, Hook, Reason};
use crate::servers::{Part, Shown, needs_reload};

impl Sheet<'_> {
    /// Plans a look at every certificate that changed, or that was not looked at for long.
    pub(super) fn prove(
        &self,
        scene: &Scene<'_>,
        pending: &BTreeMap<CertName, Pending>,
        draft: &mut Draft,
    ) {
        let seen = self.seen;
        if !self.hooked || !seen.running || seen.server.listeners.is_empty() {
            return;
        }
        let without_sni = self.default.iter().filter_map(|name| {
            self.shown.iter().find(|shown| shown.name == *name).map(|shown| (None, shown))
        });
        // What has ended and nobody wishes is only kept until that is certain.
        let lives = |shown: &&Shown| {
            scene.wished.contains_key(&shown.name) || shown.facts.valid_at(scene.now)
        };
        let named = self.shown.iter().filter(lives).map(|shown| (Some(shown.name.clone()), shown));
        for (certificate, shown) in named.chain(without_sni) {
            if let Some(because) = self.unproved(scene, certificate.as_ref(), shown, draft) {
                let needs = self.proof_needs(&because, certificate.as_ref(), shown, pending);
                let action = Action::Prove { server: seen.id().clone(), certificate };
                draft.push(action, because, needs);
            }
        }
    }

    /// Why a certificate is to be looked at, if it is.
    fn unproved(
        &self,
        scene: &Scene<'_>,
        certificate: Option<&CertName>,
        shown: &Shown,
        draft: &mut Draft,
    ) -> Option<Reason> {
        let own = match certificate {
            Some(name) => Part::Certificate(name.clone()),
            None => Part::Default,
        };
        let proof: Option<&(Version, Timestamp)> = self.seen.proofs.get(&certificate.cloned());
        // What was seen before the hook-in lines was not of our files.
        let proof = proof
            .filter(|(version, _)| *version == shown.version && self.seen.hook != Hook::Missing);
        let is_stale = certificate.is_some_and(|name| self.seen.stale.contains(name));
        let aged = proof.map(|(_, at)| at.plus(scene.desired.prove_every));
        // What shows only after the deferred reload is looked at after it.
        let told = |part: &Part| needs_reload(&self.seen.server, part);
        // A reload that is owed may be for new hook-in lines: then all of it shows after that.
        let told = self.seen.owed || told(&own) || certificate.is_some() && told(&Part::Index);
        let ready = !(self.deferred && told);
        match (proof, aged) {
            _ if ready && (self.seen.shut || self.installs.contains_key(&own)) => {
                Some(Reason::Follows)
            }
            (None, _) if ready => Some(Reason::Unproved),
            // Without a reload nothing has changed since the survey looked.
            _ if is_stale && self.reload.is_some() => Some(Reason::Stale),
            (_, Some(aged)) if ready && aged <= scene.now => Some(Reason::ProofAged),
            (_, aged) => {
                if let Some(aged) = aged {
                    draft.look_again(aged);
                }
                None
            }
        }
    }

    fn proof_needs(
        &self,
        because: &Reason,
        certificate: Option<&CertName>,
        shown: &Shown,
        pending: &BTreeMap<CertName, Pending>,
    ) -> Vec<usize> {
        let changed = matches!(because, Reason::Follows | Reason::Unproved | Reason::Stale);
        if !changed {
            return Vec::new();
        }
        let own = self.installs.get(&Part::Certificate(shown.name.clone())).copied();
        let coming = pending.get(&shown.name).map(|coming| coming.step);
        let shared = if certificate.is_some() { Part::Index } else { Part::Default };
        let shared = self.installs.get(&shared).copied();
        let mut needs: Vec<usize> =
            own.or(coming).into_iter().chain(shared).chain(self.reload).collect();
        needs.sort_unstable();
        needs
    }
}
