//! Starts servers and ends them, even when the test is killed.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Collects shell lines until its input ends, as it does however we end, and runs them in
/// reverse; then it removes the world's directory.
const WATCHDOG: &str = r#"
end() { # the process group $1; its leader may stay a zombie where nobody waits for it
  kill -TERM "-$1" || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q ') [^Z] ' "/proc/$1/stat" || return 0
    sleep 0.1
  done
  kill -KILL "-$1"
}
todo=
while IFS= read -r line; do
  todo="$line
$todo"
done
eval "$todo"
rm -rf -- "$1"
"#;

/// The servers of one world and its directory.
pub(crate) struct Daemons {
    directory: TempDir,
    watchdog: Child,
    children: Vec<Child>,
}

impl Daemons {
    /// Makes the directory and the watchdog.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("mailcert-world-").tempdir().expect("make");
        // Every server's own user has to reach its files.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), open).expect("chmod");
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // not ended by the Ctrl-C that ends us
            .spawn()
            .expect("sh starts");
        Self { directory, watchdog, children: Vec::new() }
    }

    /// The world's directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a server that stays in the foreground; its output goes to `log`. Without a line
    /// that ends it, its process group is ended. Returns its pid.
    pub(crate) fn start(&mut self, command: &mut Command, log: &str, end: Option<&str>) -> u32 {
        let log = File::create(self.directory().join(log)).expect("its log");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs it"));
        let pid = child.id();
        self.children.push(child);
        self.at_the_end(&end.map_or_else(|| format!("end {pid}"), str::to_owned));
        pid
    }

    /// Has the watchdog run this shell line at the end, before those of earlier.
    pub(crate) fn at_the_end(&mut self, line: &str) {
        let input = self.watchdog.stdin.as_mut().expect("it is open until the end");
        writeln!(input, "{line}").expect("the watchdog lives");
    }

    /// Waits until the server started last answers on these ports.
    pub(crate) fn wait(&mut self, address: Ipv4Addr, ports: &[u16]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        for &port in ports {
            let peer = SocketAddr::from((address, port));
            while TcpStream::connect_timeout(&peer, Duration::from_secs(1)).is_err() {
                let child = self.children.last_mut().expect("one was started");
                let ended = child.try_wait().expect("it is ours");
                if ended.is_some() || Instant::now() > deadline {
                    panic!("nothing answers on {peer} ({ended:?}):\n{}", self.logs());
                }
                sleep(Duration::from_millis(20));
            }
        }
    }

    /// Waits until nothing answers on this port any more.
    pub(crate) fn gone(&mut self, address: Ipv4Addr, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let peer = SocketAddr::from((address, port));
        while TcpStream::connect_timeout(&peer, Duration::from_secs(1)).is_ok() {
            assert!(Instant::now() < deadline, "{peer} still answers");
            sleep(Duration::from_millis(20));
        }
        // A child that ended and is not waited for looks alive to mailcert.
        sleep(Duration::from_millis(300));
        for child in &mut self.children {
            let _ = child.try_wait();
        }
    }

    /// The end of every log, for the one who has to find out why a test failed.
    fn logs(&self) -> String {
        let logs = ["knot.log", "unbound.log", "pebble.log", "postfix.log", "postfix/log/mail.log"];
        let more = ["exim.log", "exim/log/mainlog", "dovecot.log", "dovecot/dovecot.log"];
        let mut all = String::new();
        for log in logs.iter().chain(&more) {
            if let Ok(text) = fs::read(self.directory().join(log)) {
                let text = String::from_utf8_lossy(&text).into_owned();
                let lines: Vec<&str> = text.lines().collect();
                let tail = &lines[lines.len().saturating_sub(25)..];
                all += &format!("--- {log}\n{}\n", tail.join("\n"));
            }
        }
        all
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        drop(self.watchdog.stdin.take());
        // A child that is not waited for looks alive to the watchdog.
        for child in self.children.iter_mut().rev() {
            let _ = child.wait();
        }
        let _ = self.watchdog.wait();
    }
}

/// Runs a program to its end and returns what it said; it must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{said}{complaint}",
        output.status
    );
    said
}
