//! When the CA says no, when somebody else answers for us, when port 80 is taken.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use crate::clients::{PORTS, names, openssl};
use crate::mailcert::finds;
use crate::world::{Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_refused_name_does_not_hold_up_the_others_and_a_webroot_answers() {
    let world = World::start(Wish { refused: vec!["mail.alpha.test"], ..Wish::default() });
    let root = world.path("web");
    std::fs::create_dir_all(root.join(".well-known/acme-challenge")).unwrap();
    let config = world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).unwrap();
    world.reconfigure(listen, &format!("webroot = \"{}\"", text(&root)));
    for address in [world.postfix(), world.exim()] {
        serve(TcpListener::bind((address, 80)).unwrap(), root.clone());
    }

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
    std::thread::sleep(std::time::Duration::from_millis(300));
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

/// A web server like any other: it serves the files below `root`, one connection at a time.
pub(crate) fn serve(listener: TcpListener, root: PathBuf) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut reader = BufReader::new(&stream);
            let _ = reader.read_line(&mut line);
            let mut header = String::new();
            while reader.read_line(&mut header).is_ok_and(|length| length > 2) {
                header.clear();
            }
            let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
            let answer = match std::fs::read_to_string(root.join(path)) {
                Ok(body) => format!("200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                Err(_) => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            let _ = write!(
                &stream,
                "HTTP/1.1 {}",
                answer.replacen("\r\n", "\r\nConnection: close\r\n", 1)
            );
        }
    });
}
