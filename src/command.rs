//! Runs one argv with a deadline: no shell, bounded captured output.
//!
//! The one door to other programs. They get a clean environment, a process group of their own and
//! a standard input that ends; what hangs is killed with everything it started.

use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Standard output, at most [`LIMIT`] bytes, as text.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

/// Most bytes kept of each output; the rest is read and thrown away.
pub const LIMIT: usize = 64 << 20;

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It is not there.
    #[error("{program}: no such program")]
    NotFound {
        /// As it was called.
        program: String,
    },
    /// It could not be started.
    #[error("{program}: {source}")]
    Start {
        /// As it was called.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("{command}: no end after {seconds} s")]
    Timeout {
        /// The argv, for a person.
        command: String,
        /// The deadline.
        seconds: u64,
    },
    /// It ended with an exit status other than 0.
    #[error("{command}: exit status {status}: {said}")]
    Failed {
        /// The argv, for a person.
        command: String,
        /// The status; -1 for a signal.
        status: i32,
        /// The end of what it said, control characters made visible.
        said: String,
    },
}

/// Runs `argv` with `input` on its standard input and returns what it left behind, whatever its
/// exit status. The process group is killed at the deadline, and when the future is dropped.
///
/// # Errors
/// [`CommandError`] when it cannot start or does not end.
pub async fn run(argv: &[String], input: &[u8], deadline: Duration) -> Result<Ran, CommandError> {
    run_with(argv, &[], input, deadline).await
}

/// Runs `argv` like [`run`], with these variables in its environment, too.
///
/// # Errors
/// [`CommandError`] when it cannot start or does not end.
pub async fn run_with(
    argv: &[String],
    variables: &[(&str, &str)],
    input: &[u8],
    deadline: Duration,
) -> Result<Ran, CommandError> {
    let mut child = start_patiently(argv, variables).await?;
    let group = Group::of(&child);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (stdin_pipe, stdout_pipe, stderr_pipe) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        let mut pipes = pin!(async {
            tokio::join!(
                feed(stdin_pipe, input),
                gather(stdout_pipe, &mut stdout),
                gather(stderr_pipe, &mut stderr),
            );
        });
        let mut drained = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = &mut pipes, if !drained => drained = true,
            }
        };
        // A daemon it started may hold the pipes open for ever: the answer is complete all the
        // same once the program itself has ended and its pipes were emptied.
        if !drained {
            let _ = timeout(GRACE, &mut pipes).await;
        }
        status
    };
    let Ok(status) = timeout(deadline, work).await else {
        drop(group);
        let _ = child.wait().await;
        return Err(CommandError::Timeout { command: shown(argv), seconds: deadline.as_secs() });
    };
    group.ended();
    let status = status.map_err(|source| CommandError::Start { program: shown(argv), source })?;
    Ok(Ran { status: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

/// Runs `argv` like [`run`], and takes an exit status other than 0 for a failure.
///
/// # Errors
/// [`CommandError`]; [`CommandError::Failed`] holds the end of what it said.
pub async fn run_ok(
    argv: &[String],
    input: &[u8],
    deadline: Duration,
) -> Result<Ran, CommandError> {
    run_ok_with(argv, &[], input, deadline).await
}

/// Runs `argv` like [`run_ok`], with these variables in its environment, too.
///
/// # Errors
/// As of [`run_ok`].
pub async fn run_ok_with(
    argv: &[String],
    variables: &[(&str, &str)],
    input: &[u8],
    deadline: Duration,
) -> Result<Ran, CommandError> {
    let ran = run_with(argv, variables, input, deadline).await?;
    if ran.status == Some(0) {
        return Ok(ran);
    }
    let said = if ran.stderr.trim().is_empty() { &ran.stdout } else { &ran.stderr };
    Err(CommandError::Failed {
        command: shown(argv),
        status: ran.status.unwrap_or(-1),
        said: visible_tail(said),
    })
}

/// Starts a program. One that is being written this very moment (a script that an upgrade
/// replaces; a file descriptor that a fork elsewhere still holds) cannot be started (ETXTBSY): it
/// can be a moment later.
async fn start_patiently(
    argv: &[String],
    variables: &[(&str, &str)],
) -> Result<Child, CommandError> {
    for _ in 0..BUSY_TRIES {
        match start(argv, variables) {
            Err(CommandError::Start { source, .. })
                if source.kind() == io::ErrorKind::ExecutableFileBusy =>
            {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            started => return started,
        }
    }
    start(argv, variables)
}

/// How often and after what pause a program that is being written is tried again.
const BUSY_TRIES: u32 = 40;
const BUSY_PAUSE: Duration = Duration::from_millis(25);

#[expect(clippy::disallowed_methods, reason = "the one door to other programs")]
fn start(argv: &[String], variables: &[(&str, &str)]) -> Result<Child, CommandError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(CommandError::NotFound { program: String::new() });
    };
    // PATH stays the caller's: admins and tests put their own programs in front.
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", path.unwrap_or_else(|| DEFAULT_PATH.into()))
        .env("HOME", home.unwrap_or_else(|| "/".into()))
        .env("LC_ALL", "C")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CommandError::NotFound { program: program.clone() },
            _ => CommandError::Start { program: program.clone(), source },
        })
}

/// The process group of a running program; it is killed when this goes, unless it has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// The program has ended by itself; what it left running (a daemon) stays.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It may have ended in this moment; then there is nothing to kill.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Writes all input and closes the pipe. A program that does not read it is not at fault.
async fn feed(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
        let _ = pipe.shutdown().await;
    }
}

/// Reads to the end and keeps the first [`LIMIT`] bytes.
async fn gather(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = vec![0; 64 << 10];
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        let room = LIMIT.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

/// An argv as a person reads it; what a shell would read differently is quoted.
#[must_use]
pub fn shown(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c);
    let words: Vec<String> = argv
        .iter()
        .map(|word| match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.escape_debug()),
        })
        .collect();
    words.join(" ")
}

/// The last [`TAIL`] characters on one line, control characters made visible: a server's output
/// may hold what a stranger sent.
fn visible_tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    let skip = joined.chars().count().saturating_sub(TAIL);
    let mut tail = String::from(if skip > 0 { "..." } else { "" });
    for c in joined.chars().skip(skip) {
        if c.is_control() { tail.extend(c.escape_debug()) } else { tail.push(c) }
    }
    tail
}

/// Where programs are looked for when the caller has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long the pipes of an ended program are still read.
const GRACE: Duration = Duration::from_millis(500);
/// Most characters of a failed program's words.
const TAIL: usize = 600;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CommandError, run, run_ok, shown, visible_tail};

    const SOON: Duration = Duration::from_secs(20);

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[tokio::test]
    async fn input_is_fed_and_both_outputs_are_kept_apart() {
        let script = argv(&["sh", "-c", "cat; echo oops >&2; exit 3"]);
        let big = "x".repeat(300_000);
        let ran = run(&script, big.as_bytes(), SOON).await.unwrap();
        assert_eq!((ran.status, ran.stdout == big, ran.stderr.as_str()), (Some(3), true, "oops\n"));
    }

    #[tokio::test]
    async fn a_program_that_is_being_written_is_started_when_it_is_whole() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o755).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"#!/bin/sh\necho here\n").unwrap();
        let close = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(file);
        };
        let script = argv(&[path.to_str().unwrap()]);
        let (ran, ()) = tokio::join!(run(&script, b"", SOON), close);
        assert_eq!(ran.unwrap().stdout, "here\n");
    }

    #[tokio::test]
    async fn an_argument_is_never_a_shells() {
        let ran = run(&argv(&["echo", "$HOME; id"]), b"", SOON).await.unwrap();
        assert_eq!(ran.stdout, "$HOME; id\n");
    }

    #[tokio::test]
    async fn the_environment_is_clean() {
        let ran = run(&argv(&["env"]), b"", SOON).await.unwrap();
        let mut names: Vec<&str> =
            ran.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
    }

    #[tokio::test]
    async fn an_absent_program_is_said_to_be_absent() {
        let error = run(&argv(&["/nonexistent/postmap"]), b"", SOON).await.unwrap_err();
        assert!(matches!(error, CommandError::NotFound { .. }), "{error}");
        assert!(matches!(run(&[], b"", SOON).await, Err(CommandError::NotFound { .. })));
    }

    #[tokio::test]
    async fn at_the_deadline_the_whole_group_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let script = format!("(sleep 2; touch {}) & sleep 60", mark.display());
        let error =
            run(&argv(&["sh", "-c", &script]), b"", Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string().split(": ").last(), Some("no end after 1 s"));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!mark.exists(), "the child's child outlived the deadline");
    }

    #[tokio::test]
    async fn a_daemon_that_keeps_the_pipes_open_does_not_hold_us_up() {
        let script = argv(&["sh", "-c", "sleep 5 & echo started"]);
        let ran = run(&script, b"", Duration::from_secs(4)).await;
        assert_eq!(ran.unwrap().stdout, "started\n");
    }

    #[tokio::test]
    async fn a_failure_says_what_was_said() {
        let script = argv(&["sh", "-c", "printf 'no\\033[31m\\nmap\\n' >&2; exit 1"]);
        let error = run_ok(&script, b"", SOON).await.unwrap_err();
        assert!(error.to_string().ends_with(r"exit status 1: no\u{1b}[31m; map"), "{error}");
        assert!(run_ok(&argv(&["true"]), b"", SOON).await.is_ok());
    }

    #[test]
    fn words_a_shell_would_split_are_quoted() {
        assert_eq!(shown(&argv(&["postmap", "-c", "/a b", ""])), "postmap -c '/a b' ''");
        assert_eq!(visible_tail(&"y".repeat(700)), format!("...{}", "y".repeat(600)));
    }
}
