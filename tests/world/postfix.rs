//! Postfix with two domains, as Debian's package leaves it: legacy settings, self-signed.

use std::net::Ipv4Addr;

use crate::world::{World, text};

/// The services that do not listen to the network.
const INNER: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

pub(crate) fn start(world: &mut World) {
    instance(world, "", world.postfix(), "mx.alpha.test");
}

/// An instance in `postfixSUFFIX`.
pub(crate) fn instance(world: &mut World, suffix: &str, address: Ipv4Addr, name: &str) {
    let at = |rest: &str| format!("postfix{suffix}{rest}");
    let own = text(&world.path(&at(""))).to_owned();
    let all = text(world.directory()).to_owned();
    world.directory_of(&at("/etc"), "root:root", 0o755);
    world.directory_of(&at("/log"), "root:root", 0o755);
    world.directory_of(&at("/lib"), "postfix:postfix", 0o700);
    let main = format!(
        "compatibility_level = 3.6
queue_directory = {own}/spool
data_directory = {own}/lib
maillog_file = {own}/log/mail.log
maillog_file_prefixes = {own}/log
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
disable_dns_lookups = yes
relayhost =
default_transport = discard:
relay_domains = alpha.test, beta.test
relay_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
postscreen_greet_wait = 1s
postscreen_access_list =
postscreen_bare_newline_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_cert_file = {all}/snakeoil.pem
smtpd_tls_key_file = {all}/snakeoil.key
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
"
    );
    world.write(&at("/etc/main.cf"), &main, 0o644);
    let master = listeners(world, address) + INNER;
    world.write(&at("/etc/master.cf"), &master, 0o644);
    let mut command = world.program("postfix".as_ref());
    command.args(["-c", &format!("{own}/etc"), "start-fg"]);
    // The master leaves our process group.
    let where_it_runs =
        world.inside.map_or_else(String::new, |pid| format!("nsenter --mount --target {pid} "));
    let end = format!("{where_it_runs}postfix -c {own}/etc abort");
    world.daemons.start(&mut command, &at(".log"), Some(&end));
    world.daemons.wait(address, &[25, 587, 465]);
}

fn listeners(world: &World, address: Ipv4Addr) -> String {
    let port_25 = if world.wish.postscreen {
        format!(
            "{address}:25 inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"
        )
    } else {
        format!("{address}:25 inet n - n - - smtpd\n")
    };
    format!(
        "{port_25}{address}:587 inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
{address}:465 inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
"
    )
}
