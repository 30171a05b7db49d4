//! Breakages of mailcert's own state, of the account at the CA, and a server that does not run.

use std::fs;

use super::{Case, mended};
use crate::clients::everything_verifies;
use crate::fix::fix;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_lost_state_and_a_lost_account_are_named_and_mended() {
    let mut world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    mended(&world, CASES);
    a_server_that_does_not_run_is_told_and_everything_is_ready_for_it(&mut world);
}

/// Files are mended for a server that does not run; when it starts, every name is right.
fn a_server_that_does_not_run_is_told_and_everything_is_ready_for_it(world: &mut World) {
    for server in ["postfix", "exim", "dovecot"] {
        let file = match server {
            "exim" => "exim/tls/mail.gamma.test.pem",
            "dovecot" => "dovecot/mailcert/beta.test.pem",
            _ => "postfix/etc/mailcert/beta.test.pem",
        };
        let good = world.read(file);
        world.stop(server);
        world.put(file, "junk\n");
        let said = format!("{server} is set up here but does not run; start it");
        world.mailcert(&["plan"]).says(&said);
        world.mailcert(&["fix", "--yes"]).exits(1).says(&said);
        assert_eq!(world.read(file), good, "the file of {server}");
        world.start_again(server);
        everything_verifies(world);
        world.mailcert(&["fix", "--yes"]).exits(0);
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        what: "The state directory is deleted",
        breaks: |world| fs::remove_dir_all(world.path("state")).unwrap(),
        hit: &[],
        code: None,
        cause: "because the store does not hold it and the server does",
    },
    Case {
        what: "The CA does not know the account any more, and a certificate has expired",
        breaks: |world| {
            let pair = world.pair(&["mail.beta.test"], -3);
            world.keep("beta.test", &pair);
            world.put("postfix/etc/mailcert/beta.test.pem", &pair.combined());
            world.postmap(&["-F"]);
            let accounts = world.path("state/accounts");
            let accounts = fs::read_dir(accounts).map(|all| all.flatten().collect::<Vec<_>>());
            for account in accounts.unwrap_or_default() {
                let script = "s|\\(/my-account/\\)[^\"]*|\\1nobody|";
                run("sed", &["-i", script, text(&account.path())]);
            }
        },
        hit: &["mail.beta.test"],
        code: Some("expired"),
        cause: "issue beta.test for mail.beta.test because it has ended at",
    },
];
