//! The shipped unit: what systemd says of it, and a run in its sandbox.

use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect;

use crate::clients::everything_verifies;
use crate::mailcert::{Ran, steps};
use crate::sandbox::Unit;
use crate::tree::keys_are_private;
use crate::world::{Exim, Wish, World, text};

const SERVICE: &str = include_str!("../../templates/systemd/mailcert.service");
const WATCH: &str = include_str!("../../templates/systemd/mailcert-watch.service");
const TIMER: &str = include_str!("../../templates/systemd/mailcert.timer");

#[test]
#[ignore = "needs systemd-analyze; tests/run installs it"]
fn systemd_takes_the_units_and_finds_open_only_what_mailcert_needs() {
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_mailcert");
    let at = |name: &str| dir.path().join(name);
    for (name, unit) in [("mailcert.service", SERVICE), ("mailcert-watch.service", WATCH)] {
        std::fs::write(at(name), unit.replace("/usr/bin/mailcert", program)).unwrap();
    }
    std::fs::write(at("mailcert.timer"), TIMER).unwrap();
    let (service, timer) = (at("mailcert.service"), at("mailcert.timer"));
    let watch = at("mailcert-watch.service");
    let said = analyze(&["verify", "--man=no", text(&service), text(&watch), text(&timer)]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""), "{said}");

    // One sandbox for both.
    let sandbox = |unit: &str| {
        let (_, from) = unit.split_once("# What it may write").unwrap();
        let until = from.split_once("\n[Install]\n").map_or(from, |(before, _)| before);
        until.trim_end().replace("mailcert-watch.service", "mailcert.service")
    };
    assert_eq!(sandbox(WATCH), sandbox(SERVICE));

    let said = analyze(&["security", "--offline=true", "--threshold=30", text(&service)]).exits(0);
    let open = said.stdout.lines().filter_map(|line| line.strip_prefix('✗'));
    let mut open: Vec<_> = open.filter_map(|line| line.split_whitespace().next()).collect();
    open.sort_unstable();
    let open: String = open.iter().map(|line| format!("{line}\n")).collect();
    expect![[r#"
        CapabilityBoundingSet=~CAP_(CHOWN|FSETID|SETFCAP)
        CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)
        CapabilityBoundingSet=~CAP_KILL
        CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)
        CapabilityBoundingSet=~CAP_SET(UID|GID|PCAP)
        DeviceAllow=
        IPAddressDeny=
        PrivateNetwork=
        PrivateUsers=
        ProcSubset=
        ProtectProc=
        RestrictAddressFamilies=~AF_(INET|INET6)
        RestrictAddressFamilies=~AF_NETLINK
        RestrictAddressFamilies=~AF_UNIX
        RootDirectory=/RootImage=
        SystemCallFilter=~@privileged
        SystemCallFilter=~@resources
        User=/DynamicUser=
    "#]]
    .assert_eq(&open);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn the_unit_issues_deploys_and_reloads_in_its_sandbox() {
    if std::env::var_os(ALONE).is_none() {
        return elsewhere("unit::the_unit_issues_deploys_and_reloads_in_its_sandbox");
    }
    let wish = Wish { exim: Exim::Combined, postscreen: true, ..Wish::default() };
    let world = World::start(wish);
    // One certificate for all names: its Exim has to be told of the lines of `setup`.
    let exim = world.read("exim/exim.conf");
    let option = exim.lines().find(|line| line.starts_with("tls_certificate = ")).unwrap();
    let fixed = format!("tls_certificate = {}", text(&world.path("exim/tls/default.pem")));
    world.write("exim/exim.conf", &exim.replace(option, &fixed), 0o644);
    world.mailcert(&["setup", "--yes"]).exits(0);
    let places = [
        ("/var/lib/mailcert", world.path("state")),
        ("/etc/postfix", world.path("postfix/etc")),
        ("/etc/exim4", world.path("exim/tls")),
        ("/etc/dovecot", world.path("dovecot")),
    ];
    // The one that was built may lie where the sandbox hides it.
    let program = world.path("mailcert");
    std::fs::copy(env!("CARGO_BIN_EXE_mailcert"), &program).unwrap();
    let unit = Unit::read(SERVICE);
    let run = |unit: &Unit| -> Ran {
        let config = world.path("mailcert.toml");
        unit.run(&world, &places, &[text(&program), "-c", text(&config), "run", "--json"])
    };

    // It is a sandbox: neither the rest of the machine nor another's files can be changed.
    for at in ["/etc/hostname", "/usr/x", "/proc/sys/kernel/hostname"] {
        let said = unit.run(&world, &places, &["sh", "-c", &format!(": >>{at}")]);
        assert!(said.stderr.contains("Read-only"), "{at}: {said}");
    }

    let ran = run(&unit).exits(0);
    let done = steps(&ran.json());
    for server in ["postfix", "exim", "dovecot"] {
        for action in ["install", "reload"] {
            let of = |(one, subject): &(String, String)| one == action && subject.contains(server);
            assert!(done.iter().any(of), "no {action} of {server} in {done:?}");
        }
    }
    assert!(done.iter().any(|(action, _)| action == "issue"), "{done:?}");
    everything_verifies(&world);
    keys_are_private(&world);
    assert_eq!(unit.forbidden(&world, &program), [].into(), "the unit forbids what it called");

    // Renewed: over what is there, and for a server that wants its files to be its own.
    world.directory_of("exim/tls", "Debian-exim:Debian-exim", 0o750);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    world
        .reconfigure("group = \"Debian-exim\"", "owner = \"Debian-exim\"\ngroup = \"Debian-exim\"");
    run(&unit).exits(0);
    everything_verifies(&world);

    // Resident in it, too: it makes good what is damaged, and sees it at the second look.
    let file = world.path("exim/tls/default.pem");
    let right = std::fs::read(&file).unwrap();
    let watch = Unit::read(WATCH);
    let (config, measured) = (world.path("mailcert.toml"), world.path("state/watch.prom"));
    std::fs::write(&file, "junk\n").unwrap();
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let arguments = ["watch", "--metrics", text(&measured)];
            let bounded = ["timeout", "--preserve-status", "40"];
            let arguments = [&[text(&program), "-c", text(&config)], arguments.as_slice()].concat();
            watch.run(&world, &places, &[bounded.as_slice(), &arguments].concat())
        });
        until_it_is(&file, &right);
        until(|| measured.exists());
        std::fs::write(&file, "junk again\n").unwrap();
        until_it_is(&file, &right);
        ended.join().unwrap().exits(0).says("looking, since a file changed");
    });
    assert_eq!(watch.forbidden(&world, &program), [].into(), "the unit forbids what it called");

    // Without what it needs it fails, and says what to do.
    world.reconfigure("ecdsa-p384", "ecdsa-p256");
    run(&unit.but("-/etc/exim4", "")).exits(1).says("systemctl edit mailcert.service");
}

fn until_it_is(file: &Path, right: &[u8]) {
    until(|| std::fs::read(file).unwrap() == right);
}

fn until(done: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 35, "not within the time of the watch");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn analyze(arguments: &[&str]) -> Ran {
    let output = Command::new("systemd-analyze").args(arguments).env("LC_ALL", "C.UTF-8").output();
    Ran::from(output.expect("systemd-analyze is there; tests/run installs it"))
}

/// Set where the world is not below /tmp, which a unit with PrivateTmp does not see.
const ALONE: &str = "MAILCERT_TEST_UNIT";

/// Runs a test whose world is below /var.
fn elsewhere(test: &str) {
    let place: PathBuf = Path::new("/var/cache/mailcert-tests/unit").to_owned();
    std::fs::create_dir_all(&place).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(ALONE, "1");
    let ran = command.env("TMPDIR", &place).output().expect("it is this program");
    let [said, talk] = [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(ran.status.success() && said.contains("1 passed"), "{said}\n{talk}");
}
