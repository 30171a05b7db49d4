//! Dovecot on both addresses: IMAP, POP3, ManageSieve, and logins for Postfix.

use std::net::Ipv4Addr;

use crate::world::{World, text};

pub(crate) fn start(world: &mut World) {
    instance(world, "", &[world.postfix(), world.exim()]);
}

/// An instance in `dovecotSUFFIX` that answers for the Postfix in `postfixSUFFIX`.
pub(crate) fn instance(world: &mut World, suffix: &str, addresses: &[Ipv4Addr]) {
    let own = text(&world.directory_of(&format!("dovecot{suffix}"), "root:root", 0o755)).to_owned();
    // Postfix asks Dovecot about passwords: a submission port that offers no login is broken.
    let spool = format!("postfix{suffix}/spool");
    world.directory_of(&spool, "root:root", 0o755);
    world.directory_of(&format!("{spool}/private"), "postfix:root", 0o700);
    let all = text(world.directory()).to_owned();
    let listen = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let rest = if world.wish.trixie { since_2_4(&own, &all) } else { until_2_3(&own, &all) };
    let config = format!(
        r"{rest}protocols = imap pop3 sieve
listen = {listen}
base_dir = {own}/run
state_dir = {own}/state
log_path = {own}/dovecot.log
instance_name = world-{one}
default_internal_user = dovecot
default_login_user = dovenull
ssl = yes
auth_mechanisms = plain
service auth {{
  unix_listener {all}/{spool}/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
",
        one = addresses[0],
    );
    let config = world.write(&format!("dovecot{suffix}/dovecot.conf"), &config, 0o644);
    let mut command = world.program("dovecot".as_ref());
    world.daemons.start(
        command.arg("-F").arg("-c").arg(config),
        &format!("dovecot{suffix}.log"),
        None,
    );
    for &address in addresses {
        world.daemons.wait(address, &[143, 993, 110, 995, 4190]);
    }
}

fn until_2_3(own: &str, all: &str) -> String {
    format!(
        r"ssl_cert = <{all}/snakeoil.pem
ssl_key = <{all}/snakeoil.key
disable_plaintext_auth = yes
mail_location = maildir:{own}/mail/%u
passdb {{
  driver = static
  args = password=test
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={own}/mail/%u
}}
"
    )
}

fn since_2_4(own: &str, all: &str) -> String {
    format!(
        r"dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
ssl_server_cert_file = {all}/snakeoil.pem
ssl_server_key_file = {all}/snakeoil.key
mail_driver = maildir
mail_path = {own}/mail/%{{user}}
passdb static {{
  password = test
}}
userdb static {{
  fields {{
    uid = 65534
    gid = 65534
    home = {own}/mail/%{{user}}
  }}
}}
"
    )
}
