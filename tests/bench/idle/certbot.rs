//! The certificates of a machine as certbot keeps them, none of them due, and `certbot renew`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use mailcert::store::{Files, Store};
use mailcert::verify;

use crate::Machine;
use crate::measure::{Spent, often};

/// What it costs, the median of three.
pub(crate) fn renew(machine: &Machine) -> Spent {
    let root = machine.path("certbot");
    write(machine, &root);
    let listed = command(&root, "certificates").output().expect("certbot is installed");
    let listed = String::from_utf8_lossy(&listed.stdout).matches("VALID: ").count();
    assert_eq!(listed, machine.domains, "certbot knows every one as valid");
    often(3, 0, || command(&root, "renew"))
}

fn command(root: &Path, what: &str) -> Command {
    let mut command = Command::new("certbot");
    command.arg(what).arg("--config-dir").arg(root.join("etc"));
    command.arg("--work-dir").arg(root.join("work")).arg("--logs-dir").arg(root.join("logs"));
    // Else it sleeps for minutes where nobody is at a terminal.
    command.arg("--no-random-sleep-on-renew");
    command
}

fn write(machine: &Machine, root: &Path) {
    let path = machine.path("state");
    let facts = |bundle: &_| verify::facts(bundle).map_err(|error| error.to_string());
    let store = Files::open(&path, facts).expect("the store is there");
    let etc = root.join("etc");
    for place in ["renewal", "live", "archive"] {
        fs::create_dir_all(etc.join(place)).expect("a directory");
    }
    for kept in store.certificates().expect("readable") {
        let name = kept.name.as_str();
        let bundle = store.bundle(&kept.name, kept.versions[0].0).expect("readable");
        let (archive, live) = (etc.join("archive").join(name), etc.join("live").join(name));
        fs::create_dir(&archive).and_then(|()| fs::create_dir(&live)).expect("directories");
        let end = "-----END CERTIFICATE-----\n";
        let (leaf, rest) = bundle.chain.split_once(end).expect("a certificate");
        let leaf = format!("{leaf}{end}");
        let mut conf = format!("version = 2.1.0\narchive_dir = {}\n", archive.display());
        for (file, text) in [
            ("cert", leaf.as_str()),
            ("chain", rest),
            ("fullchain", bundle.chain.as_str()),
            ("privkey", bundle.key.expose_pem()),
        ] {
            fs::write(archive.join(format!("{file}1.pem")), text).expect("written");
            let link = live.join(format!("{file}.pem"));
            symlink(format!("../../archive/{name}/{file}1.pem"), &link).expect("a link");
            conf += &format!("{file} = {}\n", link.display());
        }
        conf += "[renewalparams]\naccount = 0123456789abcdef0123456789abcdef\n\
                 authenticator = standalone\nserver = https://127.0.0.1:1/directory\n\
                 key_type = ecdsa\n";
        fs::write(etc.join("renewal").join(format!("{name}.conf")), conf).expect("written");
    }
}
