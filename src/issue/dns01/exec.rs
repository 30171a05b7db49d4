//! A program of the admin's that puts records into the DNS.
//!
//! It is run once for each record, one at a time (it may edit a file), without a shell, with a
//! clean environment and a deadline. It must be able to take away what is not there: after a failure
//! and after a killed run nobody knows.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::sync::Mutex;

use super::hand::{NotPut, Txt};
use crate::command;
use crate::config::Exec;

pub(super) struct Hook {
    settings: Exec,
    /// Held while the program runs.
    turn: Mutex<()>,
}

impl Hook {
    pub(super) fn new(settings: Exec) -> Self {
        Self { settings, turn: Mutex::new(()) }
    }

    /// What is run.
    pub(super) fn program(&self) -> String {
        command::shown(&self.settings.present)
    }

    /// Whether both programs are there; whether they work shows when they are run.
    pub(super) fn rehearse(&self) -> Result<(), String> {
        for program in [&self.settings.present, &self.settings.remove].map(|argv| argv.first()) {
            let Some(program) = program.filter(|program| program.starts_with('/')) else {
                continue;
            };
            let why = match Path::new(program).metadata() {
                Err(error) => error.kind().to_string(),
                Ok(found) if !found.is_file() => "it is no file".to_owned(),
                Ok(found) if found.permissions().mode() & 0o111 == 0 => {
                    format!("it may not be executed; try `chmod +x {program}`")
                }
                Ok(_) => continue,
            };
            return Err(format!("{program} of [challenge.dns-01.exec] cannot be run: {why}"));
        }
        Ok(())
    }

    pub(super) async fn put(&self, txt: &Txt) -> Result<(), NotPut> {
        self.run("present", &self.settings.present, txt).await.map_err(NotPut::Unsure)
    }

    pub(super) async fn take(&self, txt: &Txt) -> Result<(), String> {
        self.run("remove", &self.settings.remove, txt).await
    }

    async fn run(&self, action: &str, argv: &[String], txt: &Txt) -> Result<(), String> {
        let variables = [
            ("MAILCERT_ACTION", action),
            ("MAILCERT_DOMAIN", txt.host.as_str()),
            ("MAILCERT_NAME", &txt.record),
            ("MAILCERT_VALUE", &txt.value),
            ("MAILCERT_ZONE", &txt.zone),
        ];
        let _turn = self.turn.lock().await;
        let ran = command::run_ok_with(argv, &variables, b"", self.settings.timeout).await;
        ran.map(|_| ()).map_err(|error| {
            format!("`{action}` of [challenge.dns-01.exec] for {}: {error}", txt.record)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Hook;
    use crate::config::Exec;
    use crate::issue::dns01::hand::{NotPut, Txt};
    use crate::model::Hostname;

    fn hook(present: &[&str], seconds: u64) -> Hook {
        let present: Vec<String> = present.iter().map(|word| (*word).to_owned()).collect();
        let remove = vec!["true".to_owned()];
        Hook::new(Exec { present, remove, timeout: Duration::from_secs(seconds) })
    }

    fn txt() -> Txt {
        Txt {
            host: Hostname::parse("mx.example.org").unwrap(),
            zone: "acme.example.net".to_owned(),
            record: "mx.acme.example.net".to_owned(),
            value: "v-_1".to_owned(),
            primary: Vec::new(),
        }
    }

    async fn put(hook: &Hook) -> String {
        match hook.put(&txt()).await {
            Err(NotPut::Unsure(why)) => why,
            Err(NotPut::No(_)) => panic!("nobody knows whether it is there"),
            Ok(()) => "put".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_program_is_told_in_its_environment_and_told_nothing_else() {
        let told = tempfile::tempdir().unwrap();
        let script = format!("env | sort >{}/env", told.path().display());
        assert_eq!(put(&hook(&["sh", "-c", &script], 5)).await, "put");
        let told = std::fs::read_to_string(told.path().join("env")).unwrap();
        let names: Vec<_> = told.lines().map(|line| line.split('=').next().unwrap()).collect();
        let ours: Vec<_> = told.lines().filter(|line| line.starts_with("MAILCERT_")).collect();
        assert_eq!(
            ours,
            [
                "MAILCERT_ACTION=present",
                "MAILCERT_DOMAIN=mx.example.org",
                "MAILCERT_NAME=mx.acme.example.net",
                "MAILCERT_VALUE=v-_1",
                "MAILCERT_ZONE=acme.example.net",
            ]
        );
        let others = names.iter().filter(|name| !name.starts_with("MAILCERT_"));
        let usual = ["HOME", "LC_ALL", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(others.clone().all(|name| usual.contains(name)), "{names:?}");
    }

    #[tokio::test]
    async fn a_program_that_fails_or_hangs_is_named_with_what_it_said() {
        assert_eq!(
            put(&hook(&["sh", "-c", "echo no zone >&2; exit 3"], 5)).await,
            "`present` of [challenge.dns-01.exec] for mx.acme.example.net: sh -c 'echo no zone \
             >&2; exit 3': exit status 3: no zone"
        );
        let hangs = put(&hook(&["sleep", "7"], 1)).await;
        assert!(hangs.ends_with("sleep 7: no end after 1 s"), "{hangs}");
    }

    #[test]
    fn what_cannot_be_run_is_said_before_the_order() {
        for (program, expected) in [
            ("/nowhere/hook", Some("cannot be run: entity not found")),
            ("/tmp", Some("cannot be run: it is no file")),
            ("/etc/passwd", Some("may not be executed; try `chmod +x /etc/passwd`")),
            ("/bin/sh", None),
        ] {
            let said = hook(&[program], 1).rehearse().err();
            assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
}
