//! The CAs of a session: those of the configuration, which of them issued what, and any other.

use crate::app::environment;
use crate::app::output::Failure;
use crate::app::session::Session;
use crate::config;
use crate::http::Http;
use crate::issue::Acme;
use crate::model::{CertName, Mark, Version};
use crate::store::{Diary, Store as _};
use crate::trust::Roots;

impl Session {
    /// The CAs and what the configuration says of them, the first one first.
    pub(in crate::app) fn authorities(&self) -> impl Iterator<Item = (&config::Acme, &Acme)> {
        self.config.authorities().zip(std::iter::once(&self.ca).chain(&self.fallbacks))
    }

    /// The CA that issued a version, where the configuration names it: the first, where nobody knows.
    pub(in crate::app) fn issuer(
        &self,
        diary: &Diary,
        (name, version): (&CertName, Version),
    ) -> Option<(&config::Acme, &Acme)> {
        let ca = diary.origin(name, version);
        let is_it =
            |settings: &config::Acme| ca.is_none_or(|ca| ca == Mark::of(&settings.directory));
        self.authorities().find(|(settings, _)| is_it(settings))
    }

    /// The CA that issued what is held with this issuer, where the configuration names it: of the
    /// very same one, or of one that differs by its CN alone, since CAs change their intermediates.
    ///
    /// # Errors
    /// [`Failure`] when the store cannot be read.
    pub(in crate::app) fn known_as(
        &self,
        issuer: &str,
    ) -> Result<Option<(&config::Acme, &Acme)>, Failure> {
        let diary = self.store.diary().map_err(Failure::store)?;
        let all = self.store.certificates().map_err(Failure::store)?;
        let mut found = None;
        for (kept, (version, facts)) in
            all.iter().flat_map(|kept| kept.versions.iter().map(move |own| (kept, own)))
        {
            let is_same = facts.issuer == issuer;
            let own = organization(&facts.issuer);
            if !is_same && (own.is_none() || own != organization(issuer)) {
                continue;
            }
            let Some(ca) = diary.origin(&kept.name, *version) else { continue };
            let known = self.authorities().find(|(own, _)| Mark::of(&own.directory) == ca);
            if is_same && known.is_some() {
                return Ok(known);
            }
            found = found.or(known);
        }
        Ok(found)
    }

    /// The CA at this directory, which the configuration need not name: whom it trusts for its own
    /// CA counts there, too, beside Mozilla's roots.
    ///
    /// # Errors
    /// [`Failure`] when the roots cannot be used.
    pub(in crate::app) fn ca_at(&self, directory: String) -> Result<Acme, Failure> {
        let mut roots = Roots::mozilla();
        if let Some(pem) = &self.config.acme.ca_roots {
            let own = Roots::from_pem("ca-file", pem).map_err(Failure::usage)?;
            roots.anchors.extend(own.anchors.roots);
        }
        let http = Http::new(&roots, environment::proxy().as_ref()).map_err(Failure::usage)?;
        let settings = config::Acme { directory, ..self.config.acme.clone() };
        Ok(Acme::new(&settings, http, self.store.clone(), self.now))
    }
}

/// What an issuer says besides its CN, where its organization is of that.
fn organization(issuer: &str) -> Option<&str> {
    let (rest, _) = issuer.rsplit_once(", CN=")?;
    rest.split(", ").any(|part| part.starts_with("O=")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::organization;

    #[test]
    fn intermediates_of_one_organization_differ_by_their_cn() {
        let of = |cn| format!("C=US, O=Let's Encrypt, CN={cn}");
        assert_eq!(organization(&of("E7")), organization(&of("R13")));
        assert!(organization(&of("E7")).is_some());
        assert_ne!(organization(&of("E7")), organization("C=US, O=Google Trust Services, CN=WE1"));
        for nobody in ["CN=Pebble Intermediate CA 5a2b3c", "C=US, CN=E7", "O=Only", ""] {
            assert_eq!(organization(nobody), None, "{nobody}");
        }
    }
}
