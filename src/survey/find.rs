//! Finds the mail servers of this machine where the configuration names none.

use std::net::IpAddr;
use std::path::Path;

use crate::config::{Common, ServerTable};
use crate::model::{Code, Finding, Level};
use crate::servers::Listener;
use crate::survey::{Asked, ask, dovecot, exim, id, not_running, postfix};

/// The servers at their standard places below `root` that listen on an address in `reached`. A
/// server that hears only this machine (a local-only or smarthost setup) is left alone; so is
/// everything where a panel is in charge: it would write over what we write.
pub(super) async fn servers(root: &Path, reached: &[IpAddr]) -> (Vec<Asked>, Vec<Finding>) {
    if let Some((panel, way)) = panel(root) {
        let message =
            format!("{panel} manages the mail servers here: they are verified only; use {way}");
        return (Vec::new(), vec![Finding::new(Code::PanelManaged, panel, message)]);
    }
    let (mut all, mut findings) = (Vec::new(), Vec::new());
    let tables = tables(root);
    for table in &tables {
        match ask(table, id(table, &tables)).await {
            Ok((asked, _)) if !reaches(&asked.server.listeners, reached) => {}
            // Another server may have taken its place long ago.
            Ok((asked, _)) if !asked.running => findings.extend(not_running(&asked, Level::Warn)),
            Ok((asked, noticed)) => {
                findings.extend(noticed);
                all.push(asked);
            }
            // What a removed package left behind is no server.
            Err(finding) if finding.code == Code::ProgramMissing => {}
            Err(finding) => findings.push(finding),
        }
    }
    if all.is_empty() {
        let message = "no running mail server listens on an address of these names; \
                       name one: [[postfix]], [[exim]] or [[dovecot]]";
        findings.push(Finding::new(Code::NoServer, "this machine", message));
    }
    (all, findings)
}

/// The servers at their standard places below `root` that would listen on an address in `reached`,
/// running or not; none where a panel is in charge.
pub(super) async fn standing(root: &Path, reached: &[IpAddr]) -> Vec<Asked> {
    let mut all = Vec::new();
    let tables = if panel(root).is_some() { Vec::new() } else { tables(root) };
    for table in &tables {
        let asked = ask(table, id(table, &tables)).await.map(|(asked, _)| asked);
        all.extend(asked.ok().filter(|asked| reaches(&asked.server.listeners, reached)));
    }
    all
}

/// The tables an admin would write for what lies at the standard places.
fn tables(root: &Path) -> Vec<ServerTable> {
    let common = Common::default;
    let postfix = postfix::standard(root).map(|config_directory| ServerTable::Postfix {
        config_directory,
        map_type: None,
        common: common(),
    });
    let exim = exim::standard(root).map(|binary| ServerTable::Exim {
        binary,
        config_file: None,
        layout: None,
        common: common(),
    });
    let dovecot = dovecot::standard(root)
        .map(|config_file| ServerTable::Dovecot { config_file, common: common() });
    [postfix, exim, dovecot].into_iter().flatten().collect()
}

/// Whether a client that connects to one of the addresses meets one of the listeners.
fn reaches(listeners: &[Listener], reached: &[IpAddr]) -> bool {
    listeners.iter().any(|listener| match listener.address {
        Some(address) => reached.contains(&address),
        None => !reached.is_empty(),
    })
}

/// The panel that manages this machine's mail, and its own way to certificates.
fn panel(root: &Path) -> Option<(&'static str, &'static str)> {
    PANELS
        .into_iter()
        .find(|(_, mark, _)| root.join(mark).exists())
        .map(|(name, _, way)| (name, way))
}

/// Panels, where they live, and what they offer.
const PANELS: [(&str, &str, &str); 5] = [
    ("cPanel", "usr/local/cpanel/version", "WHM, \"Manage Service SSL Certificates\" and AutoSSL"),
    ("DirectAdmin", "usr/local/directadmin/directadmin", "mail_sni=1 and its Let's Encrypt page"),
    ("Plesk", "usr/local/psa/version", "its SSL It! extension (\"Assign to mail domain\")"),
    ("mailcow", "opt/mailcow-dockerized", "ADDITIONAL_SAN and its acme container"),
    ("Hestia", "usr/local/hestia", "v-add-letsencrypt-domain USER DOMAIN '' yes"),
];

#[cfg(test)]
mod tests {
    use super::{panel, reaches, tables};
    use crate::model::Service;
    use crate::servers::Listener;

    #[test]
    fn only_a_listener_that_strangers_reach_counts() {
        let at = |address: Option<&str>| Listener {
            address: address.map(|text| text.parse().unwrap()),
            port: 25,
            service: Service::Smtp,
            proxy: false,
        };
        let reached = ["192.0.2.7".parse().unwrap()];
        for (listeners, expected) in [
            (vec![at(None)], true),
            (vec![at(Some("127.0.0.1")), at(Some("::1"))], false),
            (vec![at(Some("127.0.0.1")), at(Some("192.0.2.7"))], true),
            (vec![at(Some("192.0.2.8"))], false),
            (vec![], false),
        ] {
            assert_eq!(reaches(&listeners, &reached), expected, "{listeners:?}");
        }
        assert!(!reaches(&[at(None)], &[]));
    }

    #[test]
    fn a_panel_is_known_by_its_directory_and_servers_by_theirs() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!((panel(root.path()), tables(root.path())), (None, vec![]));
        std::fs::create_dir_all(root.path().join("usr/local/hestia")).unwrap();
        assert_eq!(panel(root.path()).unwrap().0, "Hestia");
        std::fs::create_dir_all(root.path().join("etc/postfix/main.cf")).unwrap();
        std::fs::create_dir_all(root.path().join("usr/sbin/exim4")).unwrap();
        assert_eq!(tables(root.path()).len(), 2);
    }

    #[tokio::test]
    async fn where_a_panel_is_in_charge_nothing_is_asked() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("opt/mailcow-dockerized")).unwrap();
        let (all, findings) = super::servers(root.path(), &[]).await;
        let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!((all.len(), codes), (0, vec!["panel-managed"]));
    }
}
