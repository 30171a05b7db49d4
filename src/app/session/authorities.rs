//! The CAs of a session: those of the configuration, which of them issued what, and any other.

use crate::app::environment;
use crate::app::output::Failure;
use crate::app::session::Session;
use crate::config;
use crate::http::Http;
use crate::issue::Acme;
use crate::model::{CertName, Mark, Version};
use crate::store::Diary;
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
