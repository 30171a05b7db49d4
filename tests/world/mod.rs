//! A small internet on 127.0.0.0/8: a DNS server, a CA, and a machine whose Postfix, Exim and
//! Dovecot show self-signed certificates. The live tests and the demo start it.
//!
//! Everything lives in one temporary directory and on the addresses of one loopback block. It
//! needs root, Debian's packages and an unpacked Exim: `tests/run` installs them.

mod again;
pub(crate) mod block;
pub(crate) mod daemons;
pub(crate) mod debian_exim;
pub(crate) mod dovecot;
pub(crate) mod exim;
pub(crate) mod knot;
pub(crate) mod papers;
mod pebble;
pub(crate) mod postfix;
mod trixie;
mod unbound;

use std::fs;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use block::Block;
use daemons::Daemons;

/// Which world is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The loopback blocks to choose from: 127.0.N.0/24.
    pub(crate) blocks: RangeInclusive<u8>,
    /// Postfix's map type.
    pub(crate) map_type: &'static str,
    /// Whether postscreen answers on port 25.
    pub(crate) postscreen: bool,
    /// How Exim is configured.
    pub(crate) exim: exim::Layout,
    /// Whether the mail servers are those of Debian 13.
    pub(crate) trixie: bool,
    /// Whether the zone is signed and asked for through a validating resolver.
    pub(crate) signed: bool,
    /// Whether there are other name servers than that of `test.`: mailcert and the CA ask a resolver
    /// that follows its delegations.
    pub(crate) delegates: bool,
    /// Whether the CA is the Pebble of Debian 13, which gives renewal information.
    pub(crate) ari: bool,
    /// How many further roots sign the CA's certificates: so many other chains does it offer.
    pub(crate) chains: u8,
    /// Names the CA refuses.
    pub(crate) refused: Vec<&'static str>,
    /// More lines for the zone `test.`; `MACHINE` stands for the machine's first address.
    pub(crate) zone: Vec<String>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            blocks: 28..=31,
            map_type: "lmdb",
            postscreen: false,
            exim: exim::Layout::Split,
            trixie: false,
            signed: false,
            delegates: false,
            ari: false,
            chains: 0,
            refused: Vec::new(),
            zone: Vec::new(),
        }
    }
}

pub(crate) use exim::Layout as Exim;

/// The running world; it ends when this goes.
pub(crate) struct World {
    /// What runs, and what is to be undone at the end.
    pub(crate) daemons: Daemons,
    block: Block,
    wish: Wish,
    /// How often the zone was written: its serial.
    serial: u32,
    /// A process in whose mount namespace mailcert has to run.
    pub(crate) inside: Option<u32>,
}

impl World {
    /// Starts every server and waits until all of them answer.
    pub(crate) fn start(wish: Wish) -> Self {
        let mut world = Self::without_mail(wish);
        papers::self_signed(&world.path("snakeoil.pem"), &world.path("snakeoil.key"));
        if world.wish.trixie {
            trixie::enter(&mut world);
        }
        dovecot::start(&mut world);
        postfix::start(&mut world);
        exim::start(&mut world);
        world.write("mailcert.toml", &world.config(), 0o600);
        world
    }

    /// A machine whose Postfix and Dovecot are at their usual places below /etc, and no
    /// configuration of mailcert. It is for a process in mount and network namespaces of its own.
    pub(crate) fn at_the_usual_places(wish: Wish) -> Self {
        let mut world = Self::without_mail(wish);
        papers::self_signed(&world.path("snakeoil.pem"), &world.path("snakeoil.key"));
        for (place, own) in [("/etc/postfix", "postfix/etc"), ("/etc/dovecot", "dovecot")] {
            let own = world.directory_of(own, "root:root", 0o755);
            // What comes with the package and is no configuration.
            daemons::run("cp", &["-a", &format!("{place}/."), text(&own)]);
            daemons::run("mount", &["--bind", text(&own), place]);
        }
        dovecot::start(&mut world);
        postfix::start(&mut world);
        world
    }

    /// Starts the DNS server and the CA alone.
    pub(crate) fn without_mail(wish: Wish) -> Self {
        let block = Block::take(wish.blocks.clone());
        let mut world = Self { daemons: Daemons::new(), block, wish, serial: 0, inside: None };
        knot::start(&mut world);
        if world.wish.signed || world.wish.delegates {
            unbound::start(&mut world);
        }
        pebble::start(&mut world);
        world
    }

    /// The CA's directory.
    pub(crate) fn ca(&self) -> String {
        format!("https://{}:14000/dir", self.block.address(14))
    }

    /// Starts another CA beside the first, whose root nobody knows: its directory and its root.
    #[allow(dead_code, reason = "not every program that starts a world wants one")]
    pub(crate) fn another_ca(&mut self) -> (String, String) {
        let root = pebble::another(self);
        (self.ca().replace(":14000", ":14002"), root)
    }

    /// A path inside the world's directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.daemons.directory().join(relative)
    }

    /// The world's directory.
    pub(crate) fn directory(&self) -> &Path {
        self.daemons.directory()
    }

    /// The machine's first address: Postfix on 25, 465 and 587, Dovecot on the others.
    pub(crate) fn postfix(&self) -> Ipv4Addr {
        self.block.address(10)
    }

    /// The machine's second address: Exim on 25, 465 and 587, Dovecot on the others.
    pub(crate) fn exim(&self) -> Ipv4Addr {
        self.block.address(20)
    }

    /// The command that runs a program where mailcert runs, too.
    pub(crate) fn program(&self, name: &Path) -> Command {
        match self.inside {
            Some(pid) => {
                let mut command = Command::new("nsenter");
                command.args(["--mount", "--target", &pid.to_string()]).arg(name);
                command
            }
            None => Command::new(name),
        }
    }

    /// An address of the world's own block; 10, 14, 20, 53 and 54 are in use.
    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        self.block.address(last)
    }

    /// The resolver mailcert is to ask.
    pub(crate) fn resolver(&self) -> String {
        let is_apart = self.wish.signed || self.wish.delegates;
        format!("{}:53", self.block.address(if is_apart { 54 } else { 53 }))
    }

    /// What the CA has written to its log.
    pub(crate) fn ca_log(&self) -> String {
        self.read("pebble.log")
    }

    /// What the mail servers have written to their logs about connections.
    pub(crate) fn mail_logs(&self) -> String {
        ["postfix/log/mail.log", "exim/log/mainlog", "dovecot/dovecot.log"]
            .map(|log| self.read(log))
            .concat()
    }

    /// Adds lines to the zone `test.`.
    pub(crate) fn add_to_zone(&mut self, lines: &[String]) {
        knot::add(self, lines);
    }

    /// The text of a file, empty where there is none.
    pub(crate) fn read(&self, relative: &str) -> String {
        fs::read(self.path(relative))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Writes a file and makes its directories.
    pub(crate) fn write(&self, relative: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("it is inside the world")).expect("make it");
        fs::write(&path, text).expect("write it");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod it");
        path
    }

    /// Makes a directory that belongs to a daemon's user.
    pub(crate) fn directory_of(&self, relative: &str, owner: &str, mode: u32) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(&path).expect("make it");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod it");
        daemons::run("chown", &[owner, text(&path)]);
        path
    }

    /// Changes mailcert's configuration; the passage must be there.
    pub(crate) fn reconfigure(&self, passage: &str, replacement: &str) {
        let config = self.read("mailcert.toml");
        assert!(config.contains(passage), "no {passage:?} in\n{config}");
        self.write("mailcert.toml", &config.replacen(passage, replacement, 1), 0o600);
    }

    /// What an admin of this machine would write.
    fn config(&self) -> String {
        let (directory, one, two) = (self.directory().display(), self.postfix(), self.exim());
        format!(
            r#"[acme]
directory = "{ca}"
ca-file = "{directory}/ca-https.pem"
contact = ["mailto:postmaster@alpha.test"]
agree-to-terms = true
key-types = ["ecdsa-p256"]

[challenge.http-01]
listen = ["{one}:80", "{two}:80"]

[dns]
servers = ["{resolver}"]

[machine]
addresses = ["{one}", "{two}"]

[state]
directory = "{directory}/state"

[verify]
roots = "{directory}/roots.pem"

[[domain]]
name = "alpha.test"

[[domain]]
name = "beta.test"

[[domain]]
name = "gamma.test"

[[domain]]
name = "delta.test"

[[postfix]]
config-directory = "{directory}/postfix/etc"
map-type = "{map_type}"
reload = ["postfix", "-c", "{directory}/postfix/etc", "reload"]

[[exim]]
binary = "{exim}"
{config_file}directory = "{directory}/exim/tls"
layout = "{layout}"
group = "Debian-exim"
reload = ["sh", "-c", "kill -HUP $(cat {directory}/exim/exim.pid)"]

[[dovecot]]
config-file = "{directory}/dovecot/dovecot.conf"
directory = "{directory}/dovecot/mailcert"
reload = ["doveadm", "-c", "{directory}/dovecot/dovecot.conf", "reload"]
"#,
            ca = self.ca(),
            resolver = self.resolver(),
            map_type = self.wish.map_type,
            exim = self.exim_binary().display(),
            layout = self.wish.exim.as_str(),
            config_file = match self.wish.exim {
                Exim::Debian(_) => String::new(),
                _ => format!("config-file = \"{directory}/exim/exim.conf\"\n"),
            },
        )
    }
}

/// A path of the world as text; all of them are.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the world's paths are text")
}
