//! When the CA says no, when somebody else answers for us, when port 80 is taken.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use crate::clients::{PORTS, everything_verifies, names, openssl, shown};
use crate::fix::fix;
use crate::mailcert::finds;
use crate::world::{Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_refused_name_does_not_hold_up_the_others_and_a_webroot_answers() {
    let world = World::start(Wish { refused: vec!["mail.alpha.test"], ..Wish::default() });
    let root = behind_a_web_server(&world, &Door::default());

    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    let answer = ran.json();
    assert_eq!(answer["ok"], false, "{ran}");
    assert!(finds(&answer, &["mail.alpha.test", "rejectedIdentifier"]), "{ran}");
    assert!(!ran.stdout.contains("no certificate to install"), "{ran}");
    for (name, address) in names(&world) {
        // Without mail.alpha.test nothing of alpha.test is an IMAP host.
        let ports = if name == "mx.alpha.test" { &PORTS[..3] } else { PORTS };
        for &port in ports {
            let shown = openssl(&world, address, port, Some(name), name);
            assert_eq!(
                shown.is_ok(),
                name != "mail.alpha.test",
                "{name} {port:?}: {shown:?} {ran}"
            );
        }
    }
    let left = std::fs::read_dir(root.join(".well-known/acme-challenge")).unwrap().count();
    assert_eq!(left, 0, "tokens were left in the webroot");
}

/// A host becomes wanted while one that works cannot be validated any more: an order without that
/// one would take its certificate from it.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_refused_name_that_works_keeps_its_certificate_and_a_new_host_gets_one_of_its_own() {
    let mut world = World::start(Wish::default());
    let door = Door::default();
    behind_a_web_server(&world, &door);
    world.reconfigure("[machine]", "[discover]\nevery = \"0s\"\n\n[machine]");
    fix(&world);
    let before = shown(&world);

    // The website has gone elsewhere, or keeps robots out: the CA sees it, or we do, too.
    let (to_all, to_the_ca) = (&["mail.alpha.test"][..], &["mail.alpha.test", "Pebble"]);
    for (new, closed, call, cause) in [
        ("mx2", &to_the_ca[..], &["run", "--json"][..], "urn:ietf:params:acme:error:unauthorized"),
        ("mx3", to_all, &["fix", "--yes", "--json"], "404 Not Found"),
    ] {
        let mx = format!("alpha MX 20 {new}.alpha\n{new}.alpha A {}", world.postfix());
        world.add_to_zone(&[mx]);
        *door.lock().unwrap() = closed;
        let ran = world.mailcert(call).exits(1);
        let answer = ran.json();
        assert_eq!(answer["ok"], false, "{ran}");
        assert!(finds(&answer, &["mail.alpha.test", cause]), "{ran}");
        everything_verifies(&world);
        assert_eq!(shown(&world), before, "{ran}");
        is_shown(&world, new);
    }
    world.mailcert(&["status"]).says("FAIL preflight-wrong: mail.alpha.test");

    *door.lock().unwrap() = &[];
    fix(&world);
    ["mx2", "mx3"].iter().for_each(|new| is_shown(&world, new));
    let ran = world.mailcert(&["status"]);
    assert!(!ran.stdout.contains("preflight-wrong"), "{ran}");
    world.mailcert(&["run"]).exits(0);
}

/// An MX of alpha.test without clients has a certificate where Postfix answers.
fn is_shown(world: &World, label: &str) {
    let name = format!("{label}.alpha.test");
    for &port in &PORTS[..3] {
        let answer = openssl(world, world.postfix(), port, Some(&name), &name);
        assert!(answer.is_ok(), "{name} on {port:?}: {}", answer.unwrap_err());
    }
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_taken_port_80_names_the_process_and_a_held_lock_its_holder() {
    let world = World::start(Wish::default());
    let taken = TcpListener::bind((world.postfix(), 80)).unwrap();
    let ours = std::process::id().to_string();
    world.mailcert(&["run"]).exits(1).says(&ours);
    drop(taken);

    let holder = world.spawn(&["fix", "--yes"]);
    let mailcert = child_of(holder.id());
    // Stopped a little later it holds the lock: issuing alone takes longer than this.
    sleep(Duration::from_millis(300));
    signal("-STOP", &mailcert);
    let second = world.mailcert(&["run", "--json"]);
    signal("-CONT", &mailcert);
    second.exits(5).says(&mailcert);
    let ran = crate::mailcert::Ran::from(holder.wait_with_output().unwrap());
    ran.exits(0);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn files_only_writes_the_files_and_runs_nothing_but_the_reload() {
    let world = World::start(Wish::default());
    let config = world.read("mailcert.toml");
    let own_tables = config.find("[[postfix]]").unwrap();
    let elsewhere = world.path("sidecar");
    let mark = world.path("reloaded");
    let table = format!(
        "[[dovecot]]\nconfig-file = \"/nonexistent/dovecot.conf\"\ndirectory = \"{}\"\n\
         owner = 65534\nfiles-only = true\nreload = [\"touch\", \"{}\"]\n",
        text(&elsewhere),
        text(&mark),
    );
    world.reconfigure(&config[own_tables..], &table);
    std::fs::create_dir(&elsewhere).unwrap();

    let ran = world.mailcert(&["run"]);
    assert!(mark.exists(), "the reload was not run: {ran}");
    let mut keys = 0;
    for entry in std::fs::read_dir(&elsewhere).unwrap() {
        let path = entry.unwrap().path();
        let owner = std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap());
        assert_eq!(owner, 65534, "{}: {ran}", path.display());
        keys += usize::from(std::fs::read_to_string(&path).unwrap().contains("PRIVATE KEY"));
    }
    assert!(keys >= 4, "{keys} keys for four domains: {ran}");
}

/// The pid of mailcert below `timeout`.
pub(crate) fn child_of(parent: u32) -> String {
    loop {
        let said = std::process::Command::new("pgrep")
            .args(["-x", "mailcert", "-P", &parent.to_string()])
            .output()
            .expect("pgrep is there");
        let pid = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        if !pid.is_empty() {
            return pid;
        }
    }
}

pub(crate) fn signal(name: &str, pid: &str) {
    crate::world::daemons::run("kill", &[name, pid]);
}

/// Who finds nothing: requests whose header has all of these words, where there are any.
pub(crate) type Door = Arc<Mutex<&'static [&'static str]>>;

/// Has a web server of somebody else's answer on port 80, and mailcert use its root.
pub(crate) fn behind_a_web_server(world: &World, door: &Door) -> PathBuf {
    let root = world.path("web");
    std::fs::create_dir_all(root.join(".well-known/acme-challenge")).unwrap();
    let config = world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).unwrap();
    world.reconfigure(listen, &format!("webroot = \"{}\"", text(&root)));
    for address in [world.postfix(), world.exim()] {
        let listener = TcpListener::bind((address, 80)).unwrap();
        serve_behind(listener, root.clone(), door.clone());
    }
    root
}

/// A web server like any other: it serves the files below `root`, one connection at a time.
pub(crate) fn serve(listener: TcpListener, root: PathBuf) {
    serve_behind(listener, root, Door::default());
}

/// The same, but not for everybody. It ends with its world: as long as the port is taken, nobody
/// else gets the block of its address.
fn serve_behind(listener: TcpListener, root: PathBuf, door: Door) {
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        while root.exists() {
            let Ok((stream, _)) = listener.accept() else {
                sleep(Duration::from_millis(20));
                continue;
            };
            let mut reader = BufReader::new(&stream);
            let mut header = String::new();
            while reader.read_line(&mut header).is_ok_and(|length| length > 2) {}
            let path = header.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
            let closed = *door.lock().unwrap();
            let shut = !closed.is_empty() && closed.iter().all(|word| header.contains(word));
            let answer = match std::fs::read_to_string(root.join(path)) {
                Ok(body) if !shut => {
                    format!("200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                }
                _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            let _ = write!(
                &stream,
                "HTTP/1.1 {}",
                answer.replacen("\r\n", "\r\nConnection: close\r\n", 1)
            );
        }
    });
}
