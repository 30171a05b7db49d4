//! Challenges as the configuration has them: what the plan says of them, and the lines for web
//! servers.

use expect_test::expect;

use crate::case::Case;
use crate::plan::world_with;

#[test]
fn setup_prints_the_lines_of_a_web_server_and_what_to_do_with_them() {
    let behind = Case::new().config(
        "[challenge.http-01]\nlisten = [\"127.0.0.1:8081\"]\n[[domain]]\nname = \"example.org\"\n",
    );
    behind.run("setup --web-server nginx").is(expect![[r#"
        --- stdout
        # nginx: in every `server` with `listen 80` (a file in /etc/nginx/snippets that
        # each of them includes). A `return 301` beside it would answer first: put that
        # into `location / { }`. Then: nginx -t && systemctl reload nginx
        location ^~ /.well-known/acme-challenge/ {
            auth_basic off;
            allow all;
            proxy_pass http://127.0.0.1:8081;
        }
        --- exit 0
    "#]]);
    behind.run("setup --web-server caddy").is(expect![[r#"
        --- stdout
        # Caddy: in the Caddyfile, for the mail hosts that are no sites of Caddy's own.
        # (Where it has their certificates: [source.files] shows those.)
        # Then: caddy validate --config /etc/caddy/Caddyfile && systemctl reload caddy
        http:// {
        	reverse_proxy /.well-known/acme-challenge/* 127.0.0.1:8081
        }
        --- exit 0
    "#]]);
    let case = Case::new().config("[[domain]]\nname = \"example.org\"\n");
    case.run("setup --web-server apache").is(expect![[r#"
        --- stdout
        # Apache: as /etc/apache2/conf-available/mailcert.conf, for all virtual hosts
        # (elsewhere: in the main configuration). Then: a2enmod proxy proxy_http &&
        # a2enconf mailcert && apachectl configtest && systemctl reload apache2
        # A RewriteRule of a virtual host that sends all to https answers first: put
        #   RewriteCond %{REQUEST_URI} !^/\.well-known/acme-challenge/
        # before it. Without retry=0 Apache would not ask again for a minute.
        ProxyPass "/.well-known/acme-challenge/" "http://127.0.0.1:8402/.well-known/acme-challenge/" retry=0
        <Location "/.well-known/acme-challenge/">
            Require all granted
        </Location>

        # And in mailcert.toml:
        # [challenge.http-01]
        # listen = ["127.0.0.1:8402"]
        --- exit 0
    "#]]);
    case.run("setup --web-server iis").is(expect![[r#"
        --- stderr
        error: invalid value 'iis' for '--web-server <NAME>'
          [possible values: nginx, apache, caddy]

        For more information, try '--help'.
        --- exit 2
    "#]]);
    case.run("setup --web-server nginx --yes").is(expect![[r#"
        --- stderr
        error: the argument '--web-server <NAME>' cannot be used with '--yes'

        Usage: mailcert setup --web-server <NAME>

        For more information, try '--help'.
        --- exit 2
    "#]]);
}

#[test]
fn check_says_what_is_to_pass_the_question_on_and_does_not() {
    // The port is our own, and has five digits wherever it is.
    let taken = std::net::TcpListener::bind("127.0.33.9:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let case = Case::new()
        .zone("mx.example.org A 127.0.33.9\nexample.org MX 10 mx.example.org\n")
        .config(&format!(
            "[challenge.http-01]\nlisten = [\"{at}\"]\n\
             [machine]\naddresses = [\"127.0.33.9\"]\n[[domain]]\nname = \"example.org\"\n"
        ));
    let said = case.run("check").stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let pid = format!("(pid {})", std::process::id());
    assert!(said.contains(&format!("{at} is taken by ")) && said.contains(&pid), "{said}");
    drop(taken);
    let mut ran = case.run("check");
    ran.stdout = ran.stdout.replace(&at, "127.0.33.9:PORT5");
    ran.is(expect![[r#"
        --- stdout
        the configuration can be read

        FAIL preflight-wrong: mx.example.org
          mx.example.org: nothing listens on 127.0.33.9:80, an address of this machine;
          start the web server that is to pass the question on to 127.0.33.9:PORT5

        warn no-server: this machine
          no running mail server listens on an address of these names; name one:
          [[postfix]], [[exim]] or [[dovecot]]
        --- exit 1
    "#]]);
}

#[test]
fn the_plan_says_by_which_challenge_each_name_is_shown_to_the_ca() {
    let challenges = "[challenge.http-01]\n[challenge.http-01.webroots]\n\"example.org\" = \"{dir}\"\n\
                      [challenge.tls-alpn-01]\nhosts = [\"mx2.example.org\"]\n";
    let said = world_with(challenges).run("plan").stdout;
    let ways = said.lines().map(str::trim).filter(|line| line.starts_with("by "));
    expect![[r#"
        by http-01 for mx1.example.org, since no other [challenge] names it
        by tls-alpn-01 for mx2.example.org, since hosts of [challenge.tls-alpn-01]"#]]
    .assert_eq(&ways.collect::<Vec<_>>().join("\n"));
}
