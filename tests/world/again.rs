//! Stops a mail server of the world and starts it again, as an admin would.

use std::process::Command;

use crate::world::daemons::run;
use crate::world::{World, exim, text};

impl World {
    /// Stops a server and waits until it does not answer.
    pub(crate) fn stop(&mut self, server: &str) {
        let (etc, conf) = (self.path("postfix/etc"), self.path("dovecot/dovecot.conf"));
        match server {
            "postfix" => run("postfix", &["-c", text(&etc), "abort"]),
            "dovecot" => run("doveadm", &["-c", text(&conf), "stop"]),
            _ => run("kill", &[self.read("exim/exim.pid").trim()]),
        };
        let port = if server == "dovecot" { 993 } else { PORT };
        self.daemons.gone(self.address_of(server), port);
    }

    /// Starts it again and waits until it answers.
    pub(crate) fn start_again(&mut self, server: &str) {
        let (etc, conf) = (self.path("postfix/etc"), self.path("dovecot/dovecot.conf"));
        let mut command = match server {
            "postfix" => {
                let mut command = Command::new("postfix");
                command.args(["-c", text(&etc), "start-fg"]);
                command
            }
            "dovecot" => {
                let mut command = Command::new("dovecot");
                command.args(["-F", "-c", text(&conf)]);
                command
            }
            _ => {
                let mut command = Command::new(exim::binary());
                command.arg("-C").arg(self.path("exim/exim.conf")).arg("-bdf");
                command
            }
        };
        let end = format!("postfix -c {} abort", text(&etc));
        let end = (server == "postfix").then_some(end.as_str());
        self.daemons.start(&mut command, &format!("{server}-again.log"), end);
        let port = if server == "dovecot" { 993 } else { PORT };
        self.daemons.wait(self.address_of(server), &[port]);
    }

    fn address_of(&self, server: &str) -> std::net::Ipv4Addr {
        if server == "exim" { self.exim() } else { self.postfix() }
    }
}

/// On which it is seen whether a server answers.
const PORT: u16 = 465;
