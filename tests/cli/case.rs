//! [`Case`]: a small world around one call of the program, and [`Ran`]: what the call said.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use expect_test::Expect;
use serde_json::Value;
use tempfile::TempDir;

use crate::dns_server::DnsServer;
use crate::mail::Mail;

/// A directory with a configuration, programs that are scripts, and servers. In every text given
/// to it `{dir}` is the directory, `{dns}` the DNS server's address, `{NAME}` the port of a mail
/// server; in every text it gives back they are written so again.
pub(crate) struct Case {
    dir: TempDir,
    dns: DnsServer,
    servers: Vec<(&'static str, Mail)>,
    environment: BTreeMap<String, String>,
    input: String,
    has_config: bool,
}

impl Case {
    /// An empty directory, an empty DNS, no programs.
    pub(crate) fn new() -> Self {
        // Always of the same length, since lines are broken at 80 columns.
        let dir = tempfile::Builder::new().prefix("case-").tempdir_in("/tmp").unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let dns = DnsServer::start("127.0.0.1:0", "");
        let environment = BTreeMap::new();
        Self { dir, dns, servers: Vec::new(), environment, input: String::new(), has_config: false }
    }

    /// A mail server; its port is `{name}` from now on.
    pub(crate) fn server(mut self, name: &'static str, mail: Mail) -> Self {
        self.servers.push((name, mail));
        self
    }

    /// What the DNS says, as `dns::Zone` reads it.
    pub(crate) fn zone(self, zone: &str) -> Self {
        self.dns.serve(&self.filled(zone));
        self
    }

    /// `mailcert.toml`, which every call is given with `-c`. State and DNS are the case's own,
    /// and the CA cannot be reached.
    pub(crate) fn config(self, config: &str) -> Self {
        let ours = "[acme]\ndirectory = \"https://127.0.0.1:1/directory\"\nagree-to-terms = true\n[dns]\n\
                    servers = [\"{dns}\"]\n[state]\ndirectory = \"{dir}/state\"\n";
        self.whole_config(&format!("{ours}{config}"))
    }

    /// `mailcert.toml` as it stands.
    pub(crate) fn whole_config(mut self, config: &str) -> Self {
        self.has_config = true;
        self.file("mailcert.toml", config)
    }

    /// A file below the directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.filled(text)).unwrap();
        self
    }

    /// A shell script in place of a program; each call is written down, see [`Self::called`].
    pub(crate) fn fake(self, name: &str, script: &str) -> Self {
        let log = "echo \"${0##*/} $*\" >> {dir}/called";
        let case = self.file(&format!("bin/{name}"), &format!("#!/bin/sh\n{log}\n{script}\n"));
        fs::set_permissions(case.path("bin").join(name), Permissions::from_mode(0o755)).unwrap();
        case
    }

    /// A variable of the environment, which is empty but for PATH.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let value = self.filled(value);
        self.environment.insert(name.to_owned(), value);
        self
    }

    /// What comes on stdin.
    pub(crate) fn input(mut self, text: &str) -> Self {
        self.input = self.filled(text);
        self
    }

    /// The mode of a file or directory.
    pub(crate) fn mode(self, name: &str, mode: u32) -> Self {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        self
    }

    /// A path below the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The calls of the fake programs so far.
    pub(crate) fn called(&self) -> String {
        self.hidden(&fs::read_to_string(self.path("called")).unwrap_or_default())
    }

    /// What the DNS was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.dns.heard()
    }

    /// A process that looks like the daemon of this name, with its number in a file; it ends with
    /// what is given back.
    pub(crate) fn daemon(&self, name: &str, pid_file: &str) -> impl Drop {
        let program = self.path(&format!("daemons/{name}"));
        // Another process writes what is run: a fork of another test could hold it open for
        // writing otherwise, and the kernel would not run it (ETXTBSY).
        let mut install = Command::new("install");
        install.args(["-D", "-m", "755", "/bin/sleep"]).arg(&program);
        assert!(install.status().unwrap().success());
        let child = Command::new(&program).arg("600").spawn().unwrap();
        let path = self.path(pid_file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{}\n", child.id())).unwrap();
        Daemon(child)
    }

    /// The call, not yet made, for what [`Self::run`] cannot do.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailcert"));
        command.env_clear().env("PATH", self.path("bin")).envs(&self.environment);
        command.current_dir(self.dir.path());
        if self.has_config {
            command.arg("-c").arg(self.path("mailcert.toml"));
        }
        command.args(arguments.split_whitespace().map(|word| self.filled(word)));
        command
    }

    /// Calls `mailcert [-c CONFIG] ARGUMENTS` and waits for its end.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read its input is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        self.ran(child.wait_with_output().unwrap())
    }

    /// What a call said, in the words of the case.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        let text = |bytes: Vec<u8>| self.hidden(&String::from_utf8(bytes).unwrap());
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Every path below the directory with its mode, size and moment of change.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(self.dir.path(), &mut lines);
        lines.sort();
        lines
    }

    fn filled(&self, text: &str) -> String {
        self.words().into_iter().fold(text.to_owned(), |text, (word, value, _)| {
            text.replace(&format!("{{{word}}}"), &value)
        })
    }

    /// Ports are written with five digits, so that tables keep their form.
    fn hidden(&self, text: &str) -> String {
        let text = self
            .words()
            .into_iter()
            .fold(text.to_owned(), |text, (_, value, shown)| text.replace(&value, &shown));
        without_times(&text)
    }

    /// Each word of the case: its name, its value, and how it is shown.
    fn words(&self) -> Vec<(String, String, String)> {
        let own = |word: &str, value: String| (word.to_owned(), value, format!("{{{word}}}"));
        let mut words = vec![
            own("dir", self.dir.path().display().to_string()),
            own("dns", self.dns.address().to_string()),
        ];
        for (at, (name, server)) in self.servers.iter().enumerate() {
            words.push(((*name).to_owned(), server.port().to_string(), (10_001 + at).to_string()));
        }
        words
    }
}

/// Ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn list(directory: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let found = path.symlink_metadata().unwrap();
        let (mode, changed) = (found.permissions().mode(), found.modified().unwrap());
        lines.push(format!("{} {mode:o} {} {changed:?}", path.display(), found.len()));
        if found.is_dir() {
            list(&path, lines);
        }
    }
}

/// Moments become `TIME`.
fn without_times(text: &str) -> String {
    let form = "dddd-dd-ddTdd:dd:ddZ";
    let fits = |at: &[u8]| {
        at.len() >= form.len()
            && form.bytes().zip(at).all(|(form, byte)| match form {
                b'd' => byte.is_ascii_digit(),
                other => other == *byte,
            })
    };
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if fits(rest.as_bytes()) {
            shown.push_str("TIME");
            rest = &rest[form.len()..];
        } else {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    shown
}

/// What one call said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; -1 after a signal.
    pub(crate) code: i32,
    /// The answer.
    pub(crate) stdout: String,
    /// The talk.
    pub(crate) stderr: String,
}

impl Ran {
    /// Insists on everything that was said, and on the exit code.
    pub(crate) fn is(&self, expected: Expect) {
        let part = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("--- {name}\n{text}"),
        };
        let (stdout, stderr) = (part("stdout", &self.stdout), part("stderr", &self.stderr));
        let all = format!("{stdout}{stderr}--- exit {}\n", self.code);
        // Blanks at the end of a line nobody sees, and an editor takes them away.
        let lines = all.split('\n').map(str::trim_end).collect::<Vec<_>>();
        expected.assert_eq(&lines.join("\n"));
    }

    /// The JSON answer: one object with what every answer has.
    pub(crate) fn json(&self) -> Value {
        let answer: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?} {:?}", self.stdout, self.stderr));
        assert_eq!(answer["schema"], 1, "{answer}");
        assert!(answer["command"].is_string() && answer["findings"].is_array(), "{answer}");
        answer
    }

    /// The JSON answer, for a comparison by eye.
    pub(crate) fn pretty(&self) -> String {
        format!("{:#}\n", self.json())
    }
}
