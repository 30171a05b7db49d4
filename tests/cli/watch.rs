//! `watch`: the program stays, and what makes it look is done to it from outside.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use expect_test::expect;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::case::Case;
use crate::mail::Ca;
use crate::source::acme_sh;

const CONFIG: &str = "[source.files]
paths = [\"{dir}/.acme.sh\"]
[dns]
servers = [\"{dns}\"]
[state]
directory = \"{dir}/state\"
[machine]
addresses = [\"127.0.33.9\"]
[verify]
roots = \"{dir}/roots.pem\"
[[domain]]
name = \"example.org\"
hosts = [\"mx1.example.org\"]
[[files]]
combined = \"{dir}/tls/{name}.pem\"
reload = [\"{dir}/bin/reload\"]
";

/// A program that shows what acme.sh made.
fn world() -> Case {
    let case = Case::new()
        .zone("mx1.example.org A 127.0.33.9")
        .whole_config(CONFIG)
        .fake("reload", "")
        .file("tls/.keep", "");
    acme_sh(case, &Ca::new(), &["mx1.example.org"], 80)
}

/// A watch that is killed where the test fails.
struct Watch<'a> {
    case: &'a Case,
    child: Option<Child>,
}

impl<'a> Watch<'a> {
    /// Begins, and waits until the first look is done.
    fn begin(case: &'a Case, arguments: &str) -> Self {
        let watch = Self::start(case, arguments);
        watch.says("The next look is due at ");
        watch
    }

    fn start(case: &'a Case, arguments: &str) -> Self {
        let log = |name| Stdio::from(fs::File::create(case.path(name)).unwrap());
        let mut command = case.command(&format!("watch {arguments}"));
        command.stdin(Stdio::null()).stdout(log("out")).stderr(log("err"));
        Self { case, child: Some(command.spawn().unwrap()) }
    }

    fn said(&self) -> String {
        ["out", "err"].map(|name| fs::read_to_string(self.case.path(name)).unwrap()).concat()
    }

    /// Forgets what was said: the files are opened for appending by nobody, so only their length
    /// is remembered.
    fn count(&self, words: &str) -> usize {
        self.said().matches(words).count()
    }

    /// Waits until it has said so, once more than `before`.
    fn says_again(&self, words: &str, before: usize) {
        until(|| self.count(words) > before, || format!("no {words:?} in {}", self.said()));
    }

    fn says(&self, words: &str) {
        self.says_again(words, 0);
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Ends it as systemd does.
    fn ends(mut self, signal: Signal) {
        self.signal(signal);
        let mut child = self.child.take().unwrap();
        let begun = Instant::now();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.said());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

fn until(done: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", otherwise());
        sleep(Duration::from_millis(20));
    }
}

const LOOKS: &str = "looking, since ";

#[test]
fn what_happens_to_an_installed_file_is_mended_and_its_own_writing_wakes_nobody() {
    let case = world();
    let watch = Watch::begin(&case, "");
    let file = case.path("tls/mx1.example.org.acme-sh.pem");
    let right = fs::read(&file).unwrap();
    // What it wrote itself is no reason to look.
    sleep(Duration::from_secs(2));
    assert_eq!(watch.count(LOOKS), 1, "{}", watch.said());

    fs::write(&file, "junk").unwrap();
    until(|| fs::read(&file).is_ok_and(|now| now == right), || watch.said());
    watch.says("looking, since a file changed");
    watch.says_again("The next look is due at ", 1);
    sleep(Duration::from_secs(2));
    assert_eq!((watch.count(LOOKS), watch.count("changed: ")), (2, 1), "{}", watch.said());
    watch.ends(Signal::TERM);
}

#[test]
fn the_page_is_written_after_each_look() {
    let case = world();
    let page = case.path("page.html");
    let watch = Watch::begin(&case, "--page {dir}/page.html");
    let is_there = || {
        let page = fs::read_to_string(&page).unwrap_or_default();
        page.contains("mx1.example.org.acme-sh") && page.ends_with("</html>\n")
    };
    until(is_there, || watch.said());
    fs::remove_file(&page).unwrap();
    watch.signal(Signal::HUP);
    until(is_there, || watch.said());
    watch.ends(Signal::TERM);
}

#[test]
fn what_another_program_renews_is_taken() {
    let case = world();
    let watch = Watch::begin(&case, "");
    let file = case.path("tls/mx1.example.org.acme-sh.pem");
    let before = fs::read(&file).unwrap();
    let ca = Ca::new();
    let roots = [fs::read(case.path("roots.pem")).unwrap(), ca.pem().into_bytes()].concat();
    let renewed = case.path("next");
    // The roots first: another CA's certificate is refused without.
    fs::write(&renewed, roots).unwrap();
    fs::rename(&renewed, case.path("roots.pem")).unwrap();
    watch.says("looking, since the configuration changed");
    watch.says_again("The next look is due at ", 1);
    let (chain, key) = ca.issue(&["mx1.example.org"], 85);
    for (name, text) in
        [("fullchain.cer", pem(&chain[0])), ("mx1.example.org.key", key.serialize_pem())]
    {
        let place = case.path(&format!(".acme.sh/mx1.example.org_ecc/{name}"));
        fs::write(&renewed, text).unwrap();
        rustix::fs::chmod(&renewed, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        fs::rename(&renewed, place).unwrap();
    }
    until(|| fs::read(&file).unwrap() != before, || watch.said());
    watch.ends(Signal::INT);
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[test]
fn a_new_configuration_is_used_at_once_and_a_bad_one_is_said_and_not_used() {
    let case = world();
    let watch = Watch::begin(&case, "");
    let config = case.path("mailcert.toml");
    let good = fs::read_to_string(&config).unwrap();
    let replace = |text: &str| {
        // As an editor does.
        fs::write(case.path("mailcert.toml~new"), text).unwrap();
        fs::rename(case.path("mailcert.toml~new"), &config).unwrap();
    };
    replace(&good.replace("[[domain]]\nname =", "[[domain]]\nnome ="));
    watch.says("the configuration from before is kept");
    watch.says("mailcert.toml:12:1");
    sleep(Duration::from_secs(2));
    assert_eq!(watch.count(LOOKS), 1, "{}", watch.said());

    // SIGHUP looks, too, by the old one.
    watch.signal(Signal::HUP);
    watch.says("looking, since SIGHUP asks for it");
    watch.says_again("The next look is due at ", 1);
    assert_eq!(watch.count("the configuration from before is kept"), 2, "{}", watch.said());

    replace(&good.replace("{dir}/tls/", "{dir}/other/").replace("/tls/", "/other/"));
    fs::create_dir(case.path("other")).unwrap();
    let moved = case.path("other/mx1.example.org.acme-sh.pem");
    until(|| moved.exists(), || watch.said());
    watch.says("looking, since the configuration changed");

    // What says the same is no reason.
    watch.says_again("The next look is due at ", 2);
    sleep(Duration::from_secs(1));
    let before = watch.count(LOOKS);
    fs::write(&config, fs::read(&config).unwrap()).unwrap();
    sleep(Duration::from_secs(2));
    assert_eq!(watch.count(LOOKS), before, "{}", watch.said());
    watch.ends(Signal::TERM);
}

#[test]
fn a_configuration_that_is_wrong_at_the_start_is_the_end() {
    let case = world().whole_config("[[domain]]\nnome = \"a\"\n");
    let ran = case.run("watch");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("mailcert.toml:2:1"), "{ran:?}");
}

#[test]
fn another_mailcert_at_work_is_waited_for_and_the_lock_is_held_during_a_look_only() {
    let case = world();
    fs::create_dir(case.path("state")).unwrap();
    let case = case.mode("state", 0o700);
    let lock =
        fs::OpenOptions::new().create(true).append(true).open(case.path("state/lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let watch = Watch::start(&case, "");
    watch.says("another mailcert is at work");
    assert!(!case.path("tls/mx1.example.org.acme-sh.pem").exists());
    drop(lock);
    watch.says("The next look is due at ");
    assert_eq!(watch.count("another mailcert is at work"), 1, "{}", watch.said());
    // Other commands can work beside it.
    let ran = case.run("run");
    assert_eq!(ran.code, 0, "{ran:?}");
    watch.ends(Signal::TERM);
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_serves_what_it_measures_and_whether_it_is_well() {
    let case = world();
    let watch = Watch::begin(&case, "--listen 127.0.33.9:0 --metrics {dir}/mailcert.prom");
    let said = watch.said();
    let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let answer = get(address, "/metrics");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(text.contains("\nmailcert_run_ok 1\n"), "{text}");
    assert_eq!(text, fs::read_to_string(case.path("mailcert.prom")).unwrap());
    let answer = get(address, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\n\r\nok: the next look is due at 20"), "{answer}");
    // A second one cannot have the place.
    let taken = case.run(&format!("watch --listen {address}"));
    assert_eq!(taken.code, 1);
    assert!(taken.stderr.contains("Address already in use"), "{taken:?}");
    watch.ends(Signal::TERM);
}

#[test]
fn only_this_machine_is_served() {
    // Without a configuration it ends in any case, and says something else.
    let case = Case::new().with("MAILCERT_CONFIG", "/nowhere.toml");
    case.run("watch --listen 0.0.0.0:9115").is(expect![[r#"
        --- stderr
        error: invalid value '0.0.0.0:9115' for '--listen <ADDR:PORT>': others can reach
        that; expected a loopback address with a port, such as 127.0.0.1:9115 or
        [::1]:9115

        For more information, try '--help'.
        --- exit 2
    "#]]);
    for wrong in ["127.0.0.1", "192.0.2.1:80", "localhost:80", "[::]:80"] {
        let ran = case.run(&format!("watch --listen {wrong}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("expected a"), "{ran:?}");
    }
    let ran = case.run("watch --listen [::1]:9115");
    assert!(ran.code == 2 && ran.stderr.contains("/nowhere.toml"), "{ran:?}");
}

#[test]
fn systemd_hears_how_it_is() {
    let case = world();
    let socket = UnixDatagram::bind(case.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let case = case.with("NOTIFY_SOCKET", "{dir}/notify").with("WATCHDOG_USEC", "400000");
    let watch = Watch::start(&case, "");
    let mut buffer = [0; 1000];
    let mut heard = |words: &str| {
        let begun = Instant::now();
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text.contains(words) {
                return text;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no {words}: {text}");
        }
    };
    assert_eq!(heard(""), "READY=1\nSTATUS=looks for the first time");
    heard("STATUS=at work");
    heard("STATUS=all is as wanted; next look at 20");
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(heard("WATCHDOG"), "WATCHDOG=1");
    }
    assert!((500..3000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    watch.signal(Signal::HUP);
    let reloading = heard("RELOADING=1");
    let moment = reloading.split("MONOTONIC_USEC=").nth(1).unwrap();
    assert!(moment.parse::<u64>().unwrap() > 1_000_000, "{reloading}");
    heard("READY=1");
    heard("STATUS=all is as wanted; next look at 20");
    watch.ends(Signal::TERM);
    heard("STOPPING=1");
}

#[test]
fn who_is_to_be_told_hears_once_what_is_wrong_and_once_that_it_is_cured() {
    let notify = format!("[notify]\ncommand = [\"{{dir}}/bin/alert\"]\n{CONFIG}");
    let case = world()
        .whole_config(&notify)
        .fake("reload", "[ -e {dir}/cured ] || exit 1")
        .fake("alert", "/bin/cat >> {dir}/alerts; echo >> {dir}/alerts");
    let watch = Watch::begin(&case, "-q");
    let alerts = || fs::read_to_string(case.path("alerts")).unwrap_or_default();
    until(|| alerts().contains("step-failed"), || watch.said());
    watch.signal(Signal::HUP);
    watch.says_again("Not everything is as it should be", 1);
    assert_eq!(alerts().lines().count(), 1, "{}", alerts());
    fs::write(case.path("cured"), "").unwrap();
    watch.signal(Signal::HUP);
    until(|| alerts().contains("is cured, all is well"), || watch.said());
    assert_eq!(alerts().lines().count(), 2, "{}", alerts());
    watch.ends(Signal::TERM);
}
