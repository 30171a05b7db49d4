//! `discover`.

use expect_test::expect;

use crate::case::Case;

const ZONE: &str = "
    example.org MX 10 mx1.example.org
    example.org MX 20 mx2.example.org
    _submission._tcp.example.org SRV 0 1 587 smtp.example.org
    _imaps._tcp.example.org SRV 0 1 993 mx1.example.org
    mx1.example.org A 192.0.2.7
    mx1.example.org AAAA 2001:db8::7
    mx2.example.org A 198.51.100.9
    smtp.example.org A 192.0.2.7
    www.example.org A 192.0.2.7
    mail.example.org A 192.0.2.7
";

const CONFIG: &str = "
    [machine]
    addresses = [\"192.0.2.7\", \"2001:db8::7\"]
    [[domain]]
    name = \"example.org\"
    hosts = [\"www.example.org\", \"gone.example.org\"]
    exclude = [\"smtp.example.org\"]
";

fn world() -> Case {
    Case::new().zone(ZONE).config(CONFIG)
}

#[test]
fn every_host_is_told_with_its_reasons_and_where_it_points() {
    world().run("discover").is(expect![[""]]);
}

#[test]
fn the_json_has_one_row_for_each_host_and_domain() {
    let ran = world().run("discover --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    expect![[""]].assert_eq(&ran.pretty());
}

#[test]
fn no_configuration_is_needed_where_a_domain_is_named() {
    let case = Case::new().zone(ZONE);
    let ran = case.run("discover example.org --dns {dns} --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let answer = ran.json();
    let hosts = answer["hosts"].as_array().unwrap();
    let names: Vec<&str> = hosts.iter().map(|row| row["host"].as_str().unwrap()).collect();
    assert_eq!(names, ["mx1.example.org", "mx2.example.org", "smtp.example.org"]);
}

#[test]
fn a_silent_domain_does_not_fail_the_others() {
    let zone = format!("{ZONE}\nbad.example SERVFAIL\nnull.example MX 0 .\n");
    let case = Case::new().zone(&zone);
    case.run("discover bad.example null.example typo.example example.org --dns {dns}")
        .is(expect![[""]]);
}

#[test]
fn where_the_dns_lets_nothing_be_found_it_fails() {
    let case = Case::new().zone("bad.example SERVFAIL\nnull.example MX 0 .");
    case.run("discover bad.example --dns {dns}").is(expect![[""]]);
    case.run("discover null.example --dns {dns} -v").is(expect![[""]]);
}
