//! Runs the program as an admin would, and reads what it says.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::world::{World, debian_exim, text};

/// What one run said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code, or 128 and the signal.
    pub(crate) code: i32,
    /// The answer.
    pub(crate) stdout: String,
    /// The talk.
    pub(crate) stderr: String,
}

impl World {
    /// Runs `mailcert -c CONFIG ARGUMENTS` to its end.
    pub(crate) fn mailcert(&self, arguments: &[&str]) -> Ran {
        let child = self.spawn(arguments);
        Ran::from(child.wait_with_output().expect("it is our child"))
    }

    /// The same below another program, such as strace.
    pub(crate) fn mailcert_under(&self, program: &[&str], arguments: &[&str]) -> Ran {
        let child = self.spawn_under(program, arguments);
        Ran::from(child.wait_with_output().expect("it is our child"))
    }

    /// Starts `mailcert -c CONFIG ARGUMENTS`; a run that hangs is ended by us.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.spawn_under(&[], arguments)
    }

    /// The same below another program.
    pub(crate) fn spawn_under(&self, program: &[&str], arguments: &[&str]) -> Child {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "180"]);
        let mut path = "/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        if let Some(pid) = self.inside {
            command.args(["nsenter", "--mount", "--target", &pid.to_string()]);
            path = format!("{}:{path}", debian_exim::programs());
        }
        command
            .args(program)
            .arg(env!("CARGO_BIN_EXE_mailcert"))
            .args(["-c", text(&self.path("mailcert.toml"))])
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("timeout and mailcert are there")
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Insists on the exit code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// The `--json` answer.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Insists on a passage in what was said on either channel, however its lines are broken.
    pub(crate) fn says(self, passage: &str) -> Self {
        let said = [&self.stdout, &self.stderr]
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(said.iter().any(|text| text.contains(passage)), "no {passage:?} in {self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// What the steps of a `plan`, `run` or `fix` are: action and subject.
pub(crate) fn steps(answer: &Value) -> Vec<(String, String)> {
    let word = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = answer["steps"].as_array().unwrap_or_else(|| panic!("no steps: {answer}"));
    steps.iter().map(|step| (word(step, "action"), word(step, "subject"))).collect()
}

/// Whether a finding speaks of all these words.
pub(crate) fn finds(answer: &Value, words: &[&str]) -> bool {
    let findings = answer["findings"].as_array().unwrap_or_else(|| panic!("no findings: {answer}"));
    findings.iter().map(Value::to_string).any(|text| words.iter().all(|word| text.contains(word)))
}
