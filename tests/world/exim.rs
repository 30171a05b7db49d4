//! Exim, unpacked beside Postfix, with one certificate for all names to begin with.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::world::debian_exim::{self, Mode};
use crate::world::{World, daemons::run, text};

/// Which configuration the admin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `exim.crt.NAME` and `exim.key.NAME` behind `if exists`, as the web tells since 2020.
    Split,
    /// The same with a second file of each name behind the first.
    Lists,
    /// One `NAME.pem` each, looked up with dsearch.
    Combined,
    /// Debian's own, with the certificate it makes up.
    Debian(Mode),
}

impl Layout {
    /// The word for it in mailcert's configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Split | Self::Lists => "split",
            Self::Combined | Self::Debian(_) => "combined",
        }
    }

    fn options(self, tls: &str) -> String {
        match self {
            Self::Split => ["certificate crt", "privatekey key"]
                .map(|words| {
                    let (option, kind) = words.split_once(' ').expect("two words");
                    let file = format!("{tls}/exim.{kind}");
                    format!("tls_{option} = ${{if exists{{{file}.${{tls_sni}}}}{{{file}.${{tls_sni}}}}{{{file}}}}}\n")
                })
                .concat(),
            Self::Lists => ["certificate crt", "privatekey key"]
                .map(|words| {
                    let (option, kind) = words.split_once(' ').expect("two words");
                    let file = format!("{tls}/exim.{kind}");
                    let second = |first: &str| {
                        format!("{first}${{if exists{{{first}.alt}}{{:{first}.alt}}}}")
                    };
                    let own = format!("{file}.${{lc:$tls_in_sni}}");
                    let (some, none) = (second(&own), second(&file));
                    format!("tls_{option} = ${{if exists{{{own}}}{{{some}}}{{{none}}}}}\n")
                })
                .concat(),
            Self::Combined => format!(
                "tls_certificate = ${{lookup{{${{lc:$tls_in_sni}}.pem}}dsearch,ret=full,filter=file{{{tls}}}{{$value}}{{{tls}/default.pem}}}}\n"
            ),
            Self::Debian(_) => String::new(),
        }
    }
}

/// The unpacked Exim.
pub(crate) fn binary() -> PathBuf {
    let root = std::env::var_os("MAILCERT_EXIM")
        .unwrap_or_else(|| "/var/cache/mailcert-tests/exim".into());
    Path::new(&root).join("usr/sbin/exim4")
}

impl World {
    /// The Exim of this world.
    pub(crate) fn exim_binary(&self) -> PathBuf {
        if self.wish.trixie { "/usr/sbin/exim4".into() } else { binary() }
    }
}

pub(crate) fn start(world: &mut World) {
    if let Layout::Debian(mode) = world.wish.exim {
        directories(world, "exim");
        return debian_exim::start(world, mode);
    }
    let address = world.exim();
    instance(world, "exim", world.wish.exim, address, "mx.gamma.test");
}

/// An instance with all it has below `relative`.
pub(crate) fn instance(
    world: &mut World,
    relative: &str,
    layout: Layout,
    address: Ipv4Addr,
    name: &str,
) {
    let config = prepare(world, relative, layout, address, name);
    trust(world, text(&config));
    let mut command = world.program(&world.exim_binary());
    command.arg("-C").arg(config).arg("-bdf");
    world.daemons.start(&mut command, &format!("{relative}.log"), None);
    world.daemons.wait(address, &[25, 587, 465]);
}

fn directories(world: &World, relative: &str) -> String {
    let own = world.directory_of(relative, "root:root", 0o755);
    for (name, owner) in [
        ("spool", "Debian-exim:Debian-exim"),
        ("log", "Debian-exim:Debian-exim"),
        ("tls", "root:Debian-exim"),
    ] {
        world.directory_of(&format!("{relative}/{name}"), owner, 0o750);
    }
    text(&own).to_owned()
}

/// Its directories, its self-signed certificate, and its configuration, whose path is returned.
pub(crate) fn prepare(
    world: &World,
    relative: &str,
    layout: Layout,
    address: Ipv4Addr,
    name: &str,
) -> PathBuf {
    let own = directories(world, relative);
    for (file, content) in self_signed(world, layout) {
        let path = world.write(&format!("{relative}/tls/{file}"), &content, 0o640);
        run("chown", &["root:Debian-exim", text(&path)]);
    }
    let config = format!(
        r"exim_user = Debian-exim
exim_group = Debian-exim
exim_path = {exim}
keep_environment =
primary_hostname = {name}
spool_directory = {own}/spool
log_file_path = {own}/log/%slog
pid_file_path = {own}/exim.pid
local_interfaces = {address}
daemon_smtp_ports = 25 : 587 : 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
log_selector = +tls_sni +tls_cipher +smtp_connection +pid
disable_ipv6 = true
qualify_domain = gamma.test
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = acl_rcpt
{options}begin acl
acl_rcpt:
  accept
begin routers
discard:
  driver = redirect
  data = :blackhole:
begin transports
begin retry
* * F,1h,15m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = true
  server_advertise_condition = ${{if def:tls_in_cipher}}
",
        exim = world.exim_binary().display(),
        options = layout.options(&format!("{own}/tls")),
    );
    world.write(&format!("{relative}/exim.conf"), &config, 0o644)
}

fn self_signed(world: &World, layout: Layout) -> Vec<(&'static str, String)> {
    let (chain, key) = (world.read("snakeoil.pem"), world.read("snakeoil.key"));
    match layout {
        Layout::Split | Layout::Lists => vec![("exim.crt", chain), ("exim.key", key)],
        Layout::Combined => vec![("default.pem", key + &chain)],
        Layout::Debian(_) => vec![],
    }
}

/// An Exim whose `-C` file is not listed here dies when it is told to read it again.
fn trust(world: &mut World, config: &str) {
    let list = "/etc/exim4/trusted_configs";
    let locked = |script: &str| format!("flock /etc sh -c '{script}'");
    run("sh", &["-c", &locked(&format!("mkdir -p /etc/exim4 && echo {config} >>{list}"))]);
    world.daemons.at_the_end(&locked(&format!(
        r#"sed -i "\\|^{config}\$|d" {list}; [ -s {list} ] || rm -f {list}; rmdir /etc/exim4"#
    )));
}
