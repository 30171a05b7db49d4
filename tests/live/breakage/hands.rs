//! What an admin's hands do to a world: the ways in which it breaks.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::daemons::run;
use crate::world::papers::{Authority, Pair};
use crate::world::{World, text};

impl World {
    /// Puts a text in place of a file, which keeps its mode and owner.
    pub(super) fn put(&self, relative: &str, content: &str) {
        let path = self.path(relative);
        assert!(path.exists(), "{relative} is not there");
        fs::write(path, content).unwrap();
    }

    /// What a person types after an edit.
    pub(super) fn postmap(&self, flags: &[&str]) {
        let settings = self.path("postfix/etc");
        let map = format!("lmdb:{}", text(&self.path("postfix/etc/mailcert/sni")));
        run("postmap", &[&["-c", text(&settings)], flags, &[&map]].concat());
    }

    /// Reloads a server, and waits for what it does after it says so.
    pub(super) fn reload(&self, server: &str) {
        let (etc, conf) = (self.path("postfix/etc"), self.path("dovecot/dovecot.conf"));
        match server {
            "postfix" => run("postfix", &["-c", text(&etc), "reload"]),
            "dovecot" => run("doveadm", &["-c", text(&conf), "reload"]),
            _ => run("kill", &["-HUP", self.read("exim/exim.pid").trim()]),
        };
        std::thread::sleep(std::time::Duration::from_millis(300));
    }

    pub(super) fn chmod(&self, relative: &str, mode: u32) {
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A CA that everybody here trusts from now on.
    pub(super) fn trusted_authority(&self) -> Authority {
        let authority = Authority::new();
        let roots = self.read("roots.pem") + &authority.root();
        self.put("roots.pem", &roots);
        authority
    }

    /// A pair for these names that ends so many days from now, of a CA that is trusted.
    pub(crate) fn pair(&self, names: &[&str], days: i64) -> Pair {
        self.trusted_authority().pair(names, days)
    }

    /// The machine's own self-signed pair.
    pub(super) fn snakeoil(&self) -> String {
        self.read("snakeoil.key") + &self.read("snakeoil.pem")
    }

    /// The newest version of a certificate in mailcert's state.
    pub(super) fn kept(&self, certificate: &str) -> String {
        let folder = format!("state/certificates/{certificate}");
        let versions = fs::read_dir(self.path(&folder)).unwrap().flatten();
        let versions = versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let newest: u32 = versions.max().expect("one is kept");
        format!("{folder}/{newest}")
    }

    /// Puts a pair in place of the newest version that mailcert holds, as if it had been issued
    /// long ago.
    pub(crate) fn keep(&self, certificate: &str, pair: &Pair) {
        let version = self.kept(certificate);
        self.put(&format!("{version}/key.pem"), &pair.key);
        self.put(&format!("{version}/chain.pem"), &(pair.leaf.clone() + &pair.middle));
        fs::remove_file(self.path(&format!("{version}/facts.json"))).unwrap();
    }
}

impl Pair {
    /// Key, leaf, chain.
    pub(super) fn combined(&self) -> String {
        [self.key.as_str(), &self.leaf, &self.middle].concat()
    }
}
