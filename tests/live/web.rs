//! http-01 behind web servers that have port 80: nginx, Apache and Caddy of Debian 12 pass the CA's
//! question on with the lines that `setup` prints, and `check` says whether they do.

use std::path::PathBuf;
use std::process::Command;

use crate::ca::{serve, signal};
use crate::crash::Small;
use crate::mailcert::finds;
use crate::world::{World, text};

const NAMES: [&str; 3] = ["mx.alpha.test", "mail.alpha.test", "relay.alpha.test"];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn web_servers_pass_the_question_on_with_the_lines_that_setup_prints() {
    let mut small = Small::start();
    let at = format!("{}:8402", small.world.postfix());
    listens_at(&small.world, &at);
    let closed = small.world.mailcert(&["check", "--json"]).exits(1);
    for name in NAMES {
        let cure = format!("start the web server that is to pass the question on to {at}");
        assert!(finds(&closed.json(), &["preflight-wrong", name, &cure]), "{closed}");
    }
    for (server, header) in [("nginx", "nginx/"), ("apache", "Apache"), ("caddy", "Caddy")] {
        let pid = start(&mut small.world, server, "");
        let ran = small.world.mailcert(&["check", "--json"]).exits(1);
        for name in NAMES {
            let (seen, cure) = (format!("(Server: {header}"), format!("--web-server {server}`"));
            let words = ["preflight-wrong", name, &seen, "404 Not Found", &cure];
            assert!(finds(&ran.json(), &words), "{ran}");
        }
        stop(&mut small.world, pid);

        let lines = small.world.mailcert(&["setup", "--web-server", server]).exits(0).stdout;
        let pid = start(&mut small.world, server, &lines);
        let ran = small.world.mailcert(&["check", "--json"]);
        assert!(!ran.stdout.contains("preflight-"), "{server} {lines}: {ran}");
        // It must not matter that nobody was there a moment ago.
        small.change();
        small.finishes(server);
        stop(&mut small.world, pid);
    }
}

/// certbot's `-w` for each `-d`: hosts on one machine whose web sites lie in several directories.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn hosts_whose_web_sites_lie_elsewhere_have_webroots_of_their_own() {
    let mut small = Small::start();
    let (one, two) = (small.world.postfix(), small.world.exim());
    let (all, own) = (small.world.path("all"), small.world.path("own"));
    for (address, root) in [(one, &all), (two, &own)] {
        std::fs::create_dir(root).unwrap();
        serve(std::net::TcpListener::bind((address, 80)).unwrap(), root.clone());
    }
    let config = small.world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).unwrap();
    small.world.reconfigure(listen, &format!("webroot = \"{}\"", text(&all)));
    small.change();
    let ran = small.world.mailcert(&["run", "--json"]).exits(1);
    let from = format!("from {}", text(&all));
    assert!(finds(&ran.json(), &["preflight-wrong", NAMES[2], "404 Not Found", &from]), "{ran}");
    small.works("one of them has another directory");
    let webroots = format!("[challenge.http-01.webroots]\n\"{}\" = \"{}\"\n", NAMES[2], text(&own));
    small.world.reconfigure("[dns]", &format!("{webroots}\n[dns]"));
    small.world.mailcert(&["fix", "--yes"]).exits(0);
    small.finishes("with its own directory");
    for root in [all, own] {
        let left = std::fs::read_dir(root.join(".well-known/acme-challenge")).unwrap().count();
        assert_eq!(left, 0, "tokens were left in {}", root.display());
    }
}

/// mailcert's listener of http-01 is there from now on.
fn listens_at(world: &World, at: &str) {
    let config = world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).unwrap();
    world.reconfigure(listen, &format!("listen = [\"{at}\"]"));
}

/// Starts a web server that has port 80 of both addresses, with these lines; its pid.
fn start(world: &mut World, server: &str, lines: &str) -> u32 {
    let place = place();
    let (one, two) = (world.postfix(), world.exim());
    let directory = world.directory_of("www", "root:root", 0o755);
    let all = text(&directory);
    let (config, program, arguments) = match server {
        "nginx" => {
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("  {kind}_temp_path {all}/{kind};\n"))
                .concat();
            let config = format!(
                "daemon off;\nuser root;\npid {all}/pid;\nerror_log stderr;\nevents {{}}\n\
                 http {{\n  access_log off;\n{temporary}  server {{\n    listen {one}:80;\n    \
                 listen {two}:80;\n    root {all};\n{lines}  }}\n}}\n"
            );
            (config, "usr/sbin/nginx", vec!["-p", all, "-e", "stderr", "-c"])
        }
        "apache" => {
            let modules = place.join("usr/lib/apache2/modules");
            let load: String = ["mpm_event", "authz_core", "proxy", "proxy_http"]
                .map(|name| format!("LoadModule {name}_module {}/mod_{name}.so\n", text(&modules)))
                .concat();
            let config = format!(
                "{load}ServerName localhost\nListen {one}:80\nListen {two}:80\nPidFile {all}/pid\n\
                 ErrorLog /dev/stderr\nDefaultRuntimeDir {all}\nMutex file:{all}\nUser nobody\n\
                 Group nogroup\nDocumentRoot {all}\n{lines}\n<VirtualHost *:80>\nServerName \
                 mx.alpha.test\n</VirtualHost>\n"
            );
            (config, "usr/sbin/apache2", vec!["-DFOREGROUND", "-f"])
        }
        _ => {
            let site = if lines.is_empty() { "http:// {\n\trespond 404\n}\n" } else { lines };
            let config = format!("{{\n\tadmin off\n\tdefault_bind {one} {two}\n}}\n{site}");
            (config, "usr/bin/caddy", vec!["run", "--adapter", "caddyfile", "--config"])
        }
    };
    let config = world.write("www/config", &config, 0o644);
    let mut command = Command::new(place.join(program));
    command.args(arguments).arg(config).env("HOME", all).env_remove("XDG_DATA_HOME");
    command.env("LD_LIBRARY_PATH", place.join("usr/lib/x86_64-linux-gnu"));
    let pid = world.daemons.start(&mut command, &format!("{server}.log"), None);
    for address in [one, two] {
        world.daemons.wait(address, &[80]);
    }
    pid
}

fn stop(world: &mut World, pid: u32) {
    signal("-TERM", &pid.to_string());
    for address in [world.postfix(), world.exim()] {
        world.daemons.gone(address, 80);
    }
}

/// Where `tests/run` has unpacked them.
fn place() -> PathBuf {
    let place = std::env::var_os("MAILCERT_WEB")
        .map_or_else(|| "/var/cache/mailcert-tests/web".into(), PathBuf::from);
    assert!(place.join("usr/bin/caddy").exists(), "{}: tests/run unpacks it", place.display());
    place
}
