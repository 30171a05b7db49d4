//! Dovecot on both addresses: IMAP, POP3, ManageSieve, and logins for Postfix.

use std::process::Command;

use crate::world::{World, text};

pub(crate) fn start(world: &mut World) {
    let own = text(&world.directory_of("dovecot", "root:root", 0o755)).to_owned();
    // Postfix asks Dovecot about passwords: a submission port that offers no login is broken.
    world.directory_of("postfix/spool", "root:root", 0o755);
    world.directory_of("postfix/spool/private", "postfix:root", 0o700);
    let all = text(world.directory()).to_owned();
    let (one, two) = (world.postfix(), world.exim());
    let config = format!(
        r"protocols = imap pop3 sieve
listen = {one}, {two}
base_dir = {own}/run
state_dir = {own}/state
log_path = {own}/dovecot.log
instance_name = world-{one}
default_internal_user = dovecot
default_login_user = dovenull
ssl = yes
ssl_cert = <{all}/snakeoil.pem
ssl_key = <{all}/snakeoil.key
auth_mechanisms = plain
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
service auth {{
  unix_listener {all}/postfix/spool/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"
    );
    let config = world.write("dovecot/dovecot.conf", &config, 0o644);
    let mut command = Command::new("dovecot");
    world.daemons.start(command.arg("-F").arg("-c").arg(config), "dovecot.log", None);
    for address in [one, two] {
        world.daemons.wait(address, &[143, 993, 110, 995, 4190]);
    }
}
