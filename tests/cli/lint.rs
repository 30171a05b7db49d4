//! `check` of what is around the servers: each finding with its cure, and whether it is work.

use std::fs;
use std::process::{Child, Command, Stdio};

use expect_test::expect;

use crate::case::Case;

/// A process that looks like a running server: a script of its name, that waits for its input.
struct Daemon(Child);

impl Daemon {
    fn start(case: &Case, name: &str, pid_file: &str) -> Self {
        let child =
            Command::new(case.path("bin").join(name)).stdin(Stdio::piped()).spawn().unwrap();
        let pid_file = case.path(pid_file);
        fs::create_dir_all(pid_file.parent().unwrap()).unwrap();
        fs::write(pid_file, child.id().to_string()).unwrap();
        let comm = || fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
        while comm().trim() != name {
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// An Exim that uses our files, with these options and this transport.
fn exim(options: &str, transport: &str) -> Case {
    Case::new()
        .config(
            "[machine]\naddresses = [\"127.0.33.7\"]\n[[domain]]\nname = \"example.org\"\n\
             [[exim]]\nbinary = \"{dir}/bin/exim4\"\ndirectory = \"{dir}/tls\"\n\
             reload = [\"{dir}/bin/reload\"]\n",
        )
        .file("tls/.keep", "")
        .file("options", options)
        .file("transports", transport)
        .fake("exim-daemon", "read -r word")
        .fake(
            "exim4",
            "case \"$*\" in
             *-bV*) echo 'Exim version 4.96 #2 built 21-Feb-2024 10:00:00'
                    echo 'Configuration file is {dir}/exim.conf';;
             *transports) /bin/cat {dir}/transports;;
             *) echo 'exim_group = root'
                echo 'local_interfaces = <; 127.0.33.7'
                echo 'daemon_smtp_ports = 587'
                echo 'pid_file_path = {dir}/exim.pid'
                echo 'tls_advertise_hosts = *'
                echo 'tls_certificate = ${lookup{${lc:$tls_in_sni}.pem}dsearch{{dir}/tls}{$value}\
                      {{dir}/tls/default.pem}}'
                /bin/cat {dir}/options;;
             esac",
        )
        .file("exim.conf", "")
}

#[test]
fn notes_are_no_work() {
    let case = exim("openssl_options = +no_sslv3\ntls_ocsp_file =\n", "");
    let _daemon = Daemon::start(&case, "exim-daemon", "exim.pid");
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        exim: runs, uses our files
          files    {dir}/tls
          listens  127.0.33.7:587 (submission)
        --- exit 0
    "#]]);
    case.run("check -v").is(expect![[r#"
        --- stdout
        the configuration can be read
        exim: runs, uses our files
          files    {dir}/tls
          listens  127.0.33.7:587 (submission)

        note old-protocol-allowed: exim
          openssl_options is +no_sslv3, which allows TLSv1; expected
          `openssl_options = +no_sslv2 +no_sslv3 +no_tlsv1 +no_tlsv1_1` in the main part
          of Exim's configuration
        --- exit 0
    "#]]);
    let found = &case.run("check --json").json()["findings"][0];
    assert_eq!((&found["code"], &found["level"]), (&"old-protocol-allowed".into(), &"note".into()));
}

#[test]
fn an_exim_that_sends_in_the_clear_and_staples_is_work() {
    let case = exim(
        "tls_ocsp_file = /etc/exim4/ocsp.der\n",
        "remote_smtp transport:\ndriver = smtp\nhosts_avoid_tls = *\n",
    );
    let _daemon = Daemon::start(&case, "exim-daemon", "exim.pid");
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        exim: runs, uses our files
          files    {dir}/tls
          listens  127.0.33.7:587 (submission)

        warn outbound-tls-off: exim
          the transport remote_smtp has hosts_avoid_tls = *: mail to others leaves in
          the clear, and Workspace domains that demand TLS reject it; expected none;
          take the option out of the transport (on Debian: the macro
          REMOTE_SMTP_HOSTS_AVOID_TLS)

        warn ocsp-leftover: exim
          tls_ocsp_file is /etc/exim4/ocsp.der: a stapled response that Let's Encrypt no
          longer makes, and that fails clients once it has expired; expected none; take
          the option out of Exim's configuration and reload
        --- exit 3
    "#]]);
    expect![[r#"
        exim-daemon 
        exim4 -bV
        exim4 -bP tls_certificate tls_privatekey tls_advertise_hosts tls_on_connect_ports daemon_smtp_ports local_interfaces primary_hostname exim_user exim_group pid_file_path spool_directory
        exim4 -bP
        exim4 -bP transports
    "#]].assert_eq(&case.called());
}

#[test]
fn an_exim_that_minds_the_letters_of_a_name_is_told_and_no_work() {
    let case = exim(
        "tls_certificate = ${lookup{$tls_in_sni.pem}dsearch{{dir}/tls}{$value}{{dir}/tls/default.pem}}\n",
        "",
    );
    let _daemon = Daemon::start(&case, "exim-daemon", "exim.pid");
    case.run("check -v").is(expect![[r#"
        --- stdout
        the configuration can be read
        exim: runs, uses our files
          files    {dir}/tls
          listens  127.0.33.7:587 (submission)

        note sni-case: exim
          tls_certificate is
          ${lookup{$tls_in_sni.pem}dsearch{{dir}/tls}{$value}{{dir}/tls/default.pem}}:
          a client that writes the name in capitals gets the default certificate;
          expected ${lc:$tls_in_sni} in the place of the name
        --- exit 0
    "#]]);
}

#[test]
fn a_server_that_does_not_answer_the_second_question_is_a_note() {
    let case = exim("", "").fake(
        "exim4",
        "case \"$*\" in
         *-bV*) echo 'Exim version 4.96 #2 built x';;
         *-bP) echo 'cannot now' >&2; exit 1;;
         *) echo 'exim_group = root'
            echo 'tls_certificate = /x'
            echo 'pid_file_path = {dir}/exim.pid';;
         esac",
    );
    let _daemon = Daemon::start(&case, "exim-daemon", "exim.pid");
    let ran = case.run("check --json");
    let found = &ran.json()["findings"][0];
    assert_eq!(ran.code, 3, "it is not hooked in: {ran:?}");
    assert_eq!((&found["code"], &found["level"]), (&"server-unreadable".into(), &"note".into()));
}

/// A Postfix of an older system on a newer one, whose /etc is kept in git.
#[test]
fn a_postfix_with_everything_wrong_is_told_all_of_it() {
    let case = Case::new()
        .config(
            "[[domain]]\nname = \"example.org\"\n[[postfix]]\nconfig-directory = \"{dir}/pf\"\n\
             reload = [\"{dir}/bin/reload\"]\n",
        )
        .file("pf/main.cf", "")
        .file("pf/master.cf", "")
        .file("pf/mailcert/default.pem", "")
        .file(".git/HEAD", "")
        .file("key.pem", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
        .mode("key.pem", 0o644)
        .mode("pf/mailcert/default.pem", 0o644)
        .mode("", 0o755)
        .fake("master", "read -r word")
        .fake("git", "printf 'H key.pem\\0? pf/mailcert/default.pem\\0H pf/main.cf\\0'")
        .fake(
            "postconf",
            "case \"$*\" in
             *-m) echo 'lmdb'; echo 'texthash';;
             *-M) echo 'submission inet n - n - - smtpd'
                  echo 'smtp unix - - n - - smtp';;
             *-P) ;;
             *) echo 'mail_version = 3.11.0'
                echo 'default_database_type = lmdb'
                echo 'queue_directory = {dir}/spool'
                echo 'alias_maps = hash:/etc/aliases'
                echo 'smtpd_tls_security_level ='
                echo 'smtp_tls_security_level ='
                echo 'smtpd_tls_protocols = !SSLv2'
                echo 'smtpd_tls_cert_file = {dir}/key.pem'
                echo 'smtp_tls_cert_file = {dir}/key.pem';;
             esac",
        );
    let _daemon = Daemon::start(&case, "master", "spool/pid/master.pid");
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        postfix: runs, does not use our files yet: mailcert setup
          files    {dir}/pf/mailcert
          listens  *:587 (submission)

        warn key-exposed: {dir}/pf/mailcert
          {dir}/pf/mailcert/default.pem holds a private key that everybody on
          this machine can read; expected 0600, or 0640 and the server's group;
          `mailcert fix` tightens it, and a new key is due if strangers can log in

        warn key-exposed: postfix
          {dir}/key.pem (smtpd_tls_cert_file) holds a private key and has
          mode 0644: everybody on this machine can read it; expected 0600, or 0640 and
          the group that reads it; `chmod o= {dir}/key.pem`, and a new key if
          strangers can log in

        warn outbound-tls-off: postfix
          smtp_tls_security_level is empty in {dir}/pf/main.cf: mail to
          others leaves in the clear, and Workspace domains that demand TLS reject it;
          expected may;
          `postconf -c {dir}/pf -e 'smtp_tls_security_level = may'`

        warn inbound-tls-off: postfix
          smtpd_tls_security_level is empty in {dir}/pf/main.cf: no TLS is
          offered at submission; expected may, or encrypt for submission;
          `postconf -c {dir}/pf -e 'smtpd_tls_security_level = may'`

        warn key-in-git: {dir}
          {dir}/key.pem holds a private key and is kept by git (etckeeper) in
          {dir}; expected no key in any repository;
          `git -C {dir} rm --cached key.pem`, and a new key if the repository
          was ever copied

        warn key-in-git: {dir}
          {dir}/pf/mailcert/default.pem holds a private key and goes into the
          next commit (etckeeper) in {dir}; expected a .gitignore that leaves
          it out; `echo /pf/mailcert/default.pem >> {dir}/.gitignore`

        warn client-certificate: postfix
          smtp_tls_cert_file shows {dir}/key.pem to the servers this one
          delivers to, and that certificate is the one that is shown to those who
          connect, and CAs no longer make such certificates for clients; expected none;
          `postconf -c {dir}/pf -X smtp_tls_cert_file`

        warn map-type-missing: postfix
          alias_maps in {dir}/pf/main.cf: maps of type hash (Berkeley DB),
          which this Postfix does not have; expected lmdb;
          `postconf -c {dir}/pf -e 'alias_maps = lmdb:/etc/aliases'`, and
          build it (postmap, newaliases)

        warn old-protocol-allowed: postfix
          smtpd_tls_protocols is !SSLv2 in {dir}/pf/main.cf, which allows
          SSLv3; expected >=TLSv1.2;
          `postconf -c {dir}/pf -e 'smtpd_tls_protocols = >=TLSv1.2'`
        --- exit 3
    "#]]);
    let git = case.called().lines().find(|line| line.starts_with("git")).unwrap().to_owned();
    expect!["git -c core.fsmonitor=false -C {dir} ls-files -tz --cached --others --exclude-standard -- {dir}/key.pem {dir}/pf/mailcert"].assert_eq(&git);
}

/// Dovecot for an address and for a name.
#[test]
fn a_dovecot_whose_blocks_conflict_fails() {
    let case = Case::new()
        .config(
            "[[domain]]\nname = \"example.org\"\n[[dovecot]]\nconfig-file = \"{dir}/dc/d.conf\"\n\
             directory = \"{dir}/dc/mailcert\"\nreload = [\"{dir}/bin/reload\"]\n",
        )
        .file("dc/d.conf", "!include_try {dir}/dc/mailcert/mailcert.conf\n")
        .fake("dovecot-master", "read -r word")
        .fake("dovecot", "echo '2.3.19.1 (9b53102964)'")
        .fake(
            "doveconf",
            "case \"$*\" in
             -n*) echo 'local 192.0.2.7 {'; echo '  ssl_cert = </a'; echo '}'
                  echo 'local_name mx.example.org {'; echo '  ssl_cert = </b'; echo '}';;
             -P*) echo 'ssl_min_protocol = TLSv1.2'; echo 'ssl_cert = </a';;
             *) echo 'protocols = imap'; echo 'listen = *'; echo 'ssl = yes'
                echo 'base_dir = {dir}/run';;
             esac",
        );
    let _daemon = Daemon::start(&case, "dovecot-master", "run/master.pid");
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        dovecot: runs, uses our files
          files    {dir}/dc/mailcert

        FAIL filter-conflict: dovecot
          local 192.0.2.7 sets the certificate and local_name mx.example.org sets it,
          too: a client that asks for that name there gets no session; expected ssl_cert
          and ssl_key in local_name blocks alone; `doveconf -n` shows the block: take
          both out of it and `doveadm reload`
        --- exit 1
    "#]]);
}
