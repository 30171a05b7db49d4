//! [`ByHost`]: http-01 as the configuration has it, which may differ from host to host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::{Answer, Http01};
use crate::issue::{Listener, Solver, Webroot};
use crate::model::{AnsweredFrom, DnsId};

/// The listener or the webroot of most names, and the webroots of some.
pub(super) struct ByHost {
    settings: Http01,
    most: Arc<dyn Solver>,
    /// One for each directory, whoever shares it.
    webroots: BTreeMap<PathBuf, Webroot>,
}

impl ByHost {
    pub(super) fn new(settings: &Http01) -> Self {
        let most: Arc<dyn Solver> = match &settings.answer {
            Answer::Listen(addresses) => Arc::new(Listener::new(addresses.clone())),
            Answer::Webroot(directory) => Arc::new(Webroot::new(directory.clone(), "webroot")),
        };
        let webroot = |path: &PathBuf| (path.clone(), Webroot::new(path.clone(), "webroots"));
        let webroots = settings.webroots.values().map(webroot).collect();
        Self { settings: settings.clone(), most, webroots }
    }

    fn of(&self, host: &DnsId) -> &dyn Solver {
        let own =
            self.settings.webroot(host.domain()).and_then(|path: &Path| self.webroots.get(path));
        own.map_or(&*self.most, |webroot| webroot)
    }
}

#[async_trait]
impl Solver for ByHost {
    fn answered_from(&self, host: &DnsId) -> AnsweredFrom {
        self.of(host).answered_from(host)
    }

    async fn present(&self, host: &DnsId, token: &str, answer: &str) -> Result<(), String> {
        self.of(host).present(host, token, answer).await
    }

    async fn clear(&self, host: &DnsId, token: &str) {
        self.of(host).clear(host, token).await;
    }
}

#[cfg(test)]
mod tests {
    use super::ByHost;
    use crate::config::{Answer, Http01};
    use crate::issue::Solver;
    use crate::model::{AnsweredFrom, DnsId};

    #[tokio::test]
    async fn each_host_is_answered_from_its_own_place() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["all", "org", "mail"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let host = |name: &str| DnsId::parse(name).unwrap();
        let webroots = [("example.org", "org"), ("mail.example.org", "mail")];
        let solver = ByHost::new(&Http01 {
            answer: Answer::Webroot(path("all")),
            webroots: webroots.map(|(name, at)| (host(name).domain().clone(), path(at))).into(),
        });
        for (name, place) in [
            ("example.net", "all"),
            ("notexample.org", "all"),
            ("example.org", "org"),
            ("mx.example.org", "org"),
            ("mail.example.org", "mail"),
            ("a.b.mail.example.org", "mail"),
        ] {
            assert_eq!(solver.answered_from(&host(name)), AnsweredFrom::Directory(path(place)));
            solver.present(&host(name), "tok", "tok.k").await.unwrap();
            let file = path(place).join(".well-known/acme-challenge/tok");
            assert!(file.exists(), "{name}");
            solver.clear(&host(name), "tok").await;
            assert!(!file.exists(), "{name}");
        }
    }
}
