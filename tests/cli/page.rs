//! `status --format html`: a page in one file, whatever a server says.

use crate::case::Case;
use crate::mail::{Ca, greets};
use crate::source::acme_sh;

const CONFIG: &str = "[dns]
    servers = [\"{dns}\"]
    [state]
    directory = \"{dir}/state\"
    [machine]
    addresses = [\"127.0.0.1\"]
    [verify]
    roots = \"{dir}/roots.pem\"
    [source.files]
    paths = [\"{dir}/.acme.sh\"]
    [[domain]]
    name = \"example.org\"
    [[files]]
    name = \"relay\"
    combined = \"{dir}/tls/{name}.pem\"\n";

/// A good server and one that says what it likes, both seen by a run.
fn seen() -> Case {
    let ca = Ca::new();
    let case = Case::new()
        .server("good", ca.server(&["good.example.org"]))
        .server("evil", greets(EVIL))
        .zone(
            "_submission._tcp.example.org SRV 0 1 {good} good.example.org
             _submission._tcp.example.org SRV 0 1 {evil} evil.example.org
             good.example.org A 127.0.0.1
             evil.example.org A 127.0.0.1",
        )
        .whole_config(CONFIG)
        .file("tls/.keep", "");
    let case = acme_sh(case, &ca, &["good.example.org", "evil.example.org"], 80);
    let ran = case.run("run");
    assert!(ran.code == 1 && ran.stdout.contains("greeting-refused"), "{ran:?}");
    case
}

const EVIL: &str =
    "554 </dd><script>alert(1)</script><img src=http://evil.example.org/x.png>\x1b[2J";

#[test]
fn a_refused_endpoint_stands_on_top_and_what_it_says_is_text() {
    let case = seen();
    let ran = case.run("status --format html");
    assert_eq!((ran.code, ran.stderr.as_str()), (case.run("status").code, ""), "{ran:?}");
    let page = &ran.stdout;
    let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what}: {page}"));
    let order = [
        at("<!DOCTYPE html>\n<html lang=\"en\">"),
        at("<p class=\"sum bad\">1 thing needs a person</p>"),
        at("<span class=\"refused\">refused</span> evil.example.org"),
        at("554 &lt;/dd&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=http:"),
        at("id=\"timeline\""),
        at("<th scope=row><b>good.example.org.acme-sh</b>"),
        at("<th scope=row>evil.example.org<small>submission 10002, 127.0.0.1"),
        at("<th scope=row>good.example.org<small>submission 10001, 127.0.0.1"),
    ];
    assert!(order.is_sorted(), "{order:?}: {page}");
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    let moves = |c: char| c.is_control() && c != '\n';
    assert!(!page.contains(moves), "{page:?}");
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere_and_shows_no_key() {
    let case = seen();
    let page = case.run("status --format html").stdout;
    // The tags alone: what a server says about an address is text.
    let tags: Vec<&str> =
        page.split('<').filter_map(|piece| piece.split_once('>')).map(|t| t.0).collect();
    assert!(tags.len() > 100, "{page}");
    for tag in tags {
        for from in [" src", "http:", "https:", "url(", "style="] {
            assert!(!tag.contains(from), "{tag}");
        }
        assert!(!tag.contains("href") || tag.contains("href=\"#"), "{tag}");
    }
    assert!(page.contains("default-src 'none'") && !page.contains("PRIVATE KEY"), "{page}");
}

#[test]
fn the_page_of_an_empty_store_asks_nobody() {
    let case = crate::plan::world();
    let ran = case.run("status --format html");
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{ran:?}");
    assert!(ran.stdout.contains("no certificate is held yet: `mailcert plan` shows"), "{ran:?}");
    assert_eq!(case.asked(), [""; 0]);
    assert_eq!(case.called(), "");
    assert!(!case.path("state").exists());
}
