//! `[[files]]`: the tables of `examples/files`, and the real nginx, HAProxy and OpenSMTPD.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::mailcert::steps;
use crate::world::{Wish, World, text};

/// What each example has to bring: path below the world, mode, group, what is in it.
const EXPECTED: &[(&str, u32, u32, &str)] = &[
    ("etc/nginx/mailcert/iota.test.key", 0o600, 0, "key"),
    ("etc/nginx/mailcert/iota.test.crt", 0o600, 0, "chain"),
    ("etc/haproxy/mailcert/iota.test.pem", 0o600, 0, "combined"),
    ("etc/haproxy/mailcert/default.pem", 0o600, 0, "combined"),
    ("etc/smtpd/mailcert/iota.test.key", 0o600, 0, "key"),
    ("etc/smtpd/mailcert/iota.test.crt", 0o600, 0, "chain"),
    ("etc/courier/mailcert/imapd.pem", 0o640, 4021, "combined"),
    ("etc/cyrus/mailcert/server.key", 0o640, 8, "key"),
    ("etc/cyrus/mailcert/server.crt", 0o640, 8, "chain"),
];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn the_files_of_every_example_are_there_with_content_mode_and_owner_and_programs_are_told() {
    let zone = vec!["imap.iota A MACHINE".to_owned(), "more.iota A MACHINE".to_owned()];
    let world = World::without_mail(Wish { zone, ..Wish::default() });
    for program in ["systemctl", "nginx", "haproxy", "smtpd"] {
        let log = world.path("told");
        let script = format!("#!/bin/sh\necho {program} \"$@\" >>{}\n", text(&log));
        world.write(&format!("bin/{program}"), &script, 0o755);
    }
    let tables: String = ["nginx", "haproxy", "opensmtpd", "courier", "cyrus"]
        .map(|name| table(&world, name))
        .concat();
    world.write("mailcert.toml", &(head(&world) + &tables), 0o600);

    let ran = world.mailcert(&["run", "--json"]);
    for &(path, mode, group, content) in EXPECTED {
        let file = world.path(path);
        let meta = file.metadata().unwrap_or_else(|error| panic!("{path}: {error} {ran}"));
        let owner = if group == 4021 { 4021 } else { 0 };
        let found = (meta.mode() & 0o7777, meta.uid(), meta.gid());
        assert_eq!(found, (mode, owner, group), "{path}");
        holds(&file, content);
    }
    let told = world.read("told").replace(text(world.directory()), "");
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "haproxy -c -q -f /etc/haproxy/haproxy.cfg",
            "nginx -t",
            "smtpd -n",
            "systemctl reload haproxy",
            "systemctl reload nginx",
            "systemctl restart courier-imap-ssl courier-pop-ssl",
            "systemctl restart cyrus-imapd",
            "systemctl restart opensmtpd",
        ],
        "{ran}"
    );

    // A renewal uses the key again, since a pair in two files cannot change at once; and a program
    // whose check fails is not told.
    let read = |path: &str| fs::read(world.path(path)).unwrap();
    let before =
        (read("etc/nginx/mailcert/iota.test.key"), read("etc/nginx/mailcert/iota.test.crt"));
    world.reconfigure("\"imap.iota.test\"]", "\"imap.iota.test\", \"more.iota.test\"]");
    world.write("bin/nginx", "#!/bin/sh\necho 'nginx: [emerg] unknown directive'; exit 1\n", 0o755);
    world.write("told", "", 0o644);
    let ran = world.mailcert(&["run", "--json"]);
    ran.exits(1).says("unknown directive");
    assert_eq!(read("etc/nginx/mailcert/iota.test.key"), before.0);
    assert_ne!(read("etc/nginx/mailcert/iota.test.crt"), before.1);
    let told = world.read("told");
    assert!(!told.contains("reload nginx") && told.contains("reload haproxy"), "{told}");
    // It is still owed, and done when the check passes.
    world.write("bin/nginx", "#!/bin/sh\nexit 0\n", 0o755);
    let ran = world.mailcert(&["run", "--json"]);
    let reload = ("reload".to_owned(), "files:nginx".to_owned());
    assert!(steps(&ran.json()).contains(&reload), "{ran}");
    assert!(world.read("told").contains("reload nginx"));
}

/// What is before the tables of servers.
pub(crate) fn head(world: &World) -> String {
    let (all, address) = (text(world.directory()), world.postfix());
    format!(
        r#"[acme]
directory = "{ca}"
ca-file = "{all}/ca-https.pem"
agree-to-terms = true
[challenge.http-01]
listen = ["{address}:80"]
[dns]
servers = ["{resolver}"]
[discover]
guesses = false
[machine]
addresses = ["{address}"]
[state]
directory = "{all}/state"
[verify]
roots = "{all}/roots.pem"
[[domain]]
name = "iota.test"
hosts = ["imap.iota.test"]
"#,
        ca = world.ca(),
        resolver = world.resolver(),
    )
}

/// The `[[files]]` table of an example, with its paths below the world and no service to look at.
fn table(world: &World, example: &str) -> String {
    let path = format!("{}/examples/files/{example}.toml", env!("CARGO_MANIFEST_DIR"));
    let text_of = fs::read_to_string(path).unwrap();
    let start = text_of.find("[[files]]").expect("it has the table");
    let all = text(world.directory());
    let mut table: String = text_of[start..]
        .lines()
        .filter(|line| !line.starts_with("listen"))
        .map(|line| format!("{line}\n"))
        .collect();
    for (from, to) in [
        ("\"/etc/", format!("\"{all}/etc/")),
        ("[\"systemctl\"", format!("[\"{all}/bin/systemctl\"")),
        ("[\"nginx\"", format!("[\"{all}/bin/nginx\"")),
        ("[\"haproxy\"", format!("[\"{all}/bin/haproxy\"")),
        ("[\"smtpd\"", format!("[\"{all}/bin/smtpd\"")),
        ("\"courier\"\nm", "4021\nm".to_owned()),
        ("owner = \"courier\"", "owner = 4021".to_owned()),
        ("imap.example.org", "imap.iota.test".to_owned()),
        ("\"example.org\"", "\"iota.test\"".to_owned()),
    ] {
        table = table.replace(from, &to);
    }
    table
}

fn holds(file: &Path, content: &str) {
    let text = fs::read_to_string(file).unwrap();
    let key = text.find("PRIVATE KEY-----");
    let chain = text.find("BEGIN CERTIFICATE");
    let certificates = text.matches("BEGIN CERTIFICATE").count();
    let right = match content {
        "key" => key.is_some() && chain.is_none(),
        "chain" => key.is_none() && certificates >= 2,
        _ => key.is_some() && key < chain && certificates >= 2,
    };
    assert!(right, "{} is no {content}", file.display());
}
