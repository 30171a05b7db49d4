//! Every finding about Postfix, and what is none.

use super::{Postfix, postfix, postfix_files};
use crate::servers::ServerId;
use crate::servers::postfix_settings::{master, values};

const MASTER: &str = "\
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
smtps inet n - y - - smtpd
127.0.0.1:10025 inet n - n - - smtpd
smtp unix - - y - - smtp
smtp-amavis unix - - y - - smtp
";
const OVERRIDES: &str = "\
submission/inet/smtpd_tls_security_level = encrypt
smtps/inet/smtpd_tls_wrappermode = yes
smtp-amavis/unix/smtp_tls_security_level = none
127.0.0.1:10025/inet/smtpd_tls_security_level = none
";
const GOOD: &str = "\
smtp_tls_security_level = may
smtpd_tls_security_level = may
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_protocols = >=TLSv1.2
alias_maps = hash:/etc/aliases
";

fn told(main: &str, master_cf: &str, overrides: &str, types: &[&str]) -> Vec<String> {
    let id = ServerId("postfix".to_owned());
    let found = postfix(Postfix {
        id: &id,
        config_directory: "/etc/postfix",
        main: &values(&format!("{GOOD}{main}")),
        services: &master(&format!("{MASTER}{master_cf}")),
        overrides: &values(&format!("{OVERRIDES}{overrides}")),
        map_types: types,
    });
    found.iter().map(|f| format!("{} {}: {}", f.level.mark(), f.code, f.message)).collect()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let types: &[&str] = &["hash", "lmdb"];
    for (main, master_cf, overrides, types) in [
        ("", "", "", types),
        ("smtp_tls_security_level = dane\n", "", "", types),
        ("smtp_tls_security_level =\nsmtp_use_tls = yes\n", "", "", types),
        ("smtpd_tls_security_level =\nsmtpd_use_tls = yes\n", "", "", types),
        ("alias_maps = lmdb:/etc/aliases\n", "", "", &["lmdb"][..]),
        ("alias_maps = lmdb:/a\nproxy_read_maps = hash:/a\n", "", "", &["lmdb"]),
        ("x = hash: y, rehash:/a, http://hash:1\nalias_maps =\n", "", "", &["lmdb"]),
        ("", "26 inet n - y - - spawn\n", "26/inet/smtpd_tls_security_level =\n", types),
    ] {
        assert_eq!(told(main, master_cf, overrides, types), [""; 0], "{main}{overrides}");
    }
}

#[test]
fn each_thing_that_is_wrong_is_found_with_its_cure() {
    for (main, master_cf, overrides, expected) in [
        (
            "smtp_tls_security_level =\n",
            "",
            "",
            "warn outbound-tls-off: smtp_tls_security_level is empty in /etc/postfix/main.cf: \
             mail to others leaves in the clear, and Workspace domains that demand TLS reject \
             it; expected may; `postconf -e 'smtp_tls_security_level = may'`",
        ),
        (
            "",
            "",
            "smtp/unix/smtp_tls_security_level = none\n",
            "warn outbound-tls-off: smtp_tls_security_level is none for the service smtp in \
             /etc/postfix/master.cf: what it delivers leaves in the clear; expected no \
             override; `postconf -PX smtp/unix/smtp_tls_security_level`",
        ),
        (
            "smtpd_tls_security_level =\n",
            "",
            "",
            "warn inbound-tls-off: smtpd_tls_security_level is empty in /etc/postfix/main.cf: \
             no TLS is offered at smtp; expected may, or encrypt for submission; `postconf -e \
             'smtpd_tls_security_level = may'`",
        ),
        (
            "",
            "",
            "submission/inet/smtpd_tls_security_level = none\n",
            "warn inbound-tls-off: smtpd_tls_security_level is none in \
             /etc/postfix/master.cf: no TLS is offered at submission; expected may, or \
             encrypt for submission; `postconf -P \
             submission/inet/smtpd_tls_security_level=may`",
        ),
        (
            "postscreen_tls_security_level = none\n",
            "192.0.2.7:25 inet n - n - 1 postscreen\n",
            "",
            "warn inbound-tls-off: postscreen_tls_security_level is none in \
             /etc/postfix/main.cf: no TLS is offered at 192.0.2.7:25; expected may, or \
             encrypt for submission; `postconf -e 'postscreen_tls_security_level = may'`",
        ),
        (
            "virtual_alias_maps = lmdb:/v, proxy:btree:/w\n",
            "",
            "",
            "warn map-type-missing: virtual_alias_maps in /etc/postfix/main.cf: maps of type \
             btree (Berkeley DB), which this Postfix does not have; expected lmdb; `postconf \
             -e 'virtual_alias_maps = lmdb:/v, proxy:lmdb:/w'`, and build it (postmap, newaliases)",
        ),
        (
            "smtpd_tls_protocols = !SSLv2, !SSLv3\n",
            "",
            "",
            "note old-protocol-allowed: smtpd_tls_protocols is !SSLv2, !SSLv3 in \
             /etc/postfix/main.cf, which allows TLSv1; expected >=TLSv1.2; `postconf -e \
             'smtpd_tls_protocols = >=TLSv1.2'`",
        ),
        (
            "smtpd_tls_mandatory_protocols =\n",
            "",
            "",
            "warn old-protocol-allowed: smtpd_tls_mandatory_protocols is empty in \
             /etc/postfix/main.cf, which allows SSLv3; expected >=TLSv1.2; `postconf -e \
             'smtpd_tls_mandatory_protocols = >=TLSv1.2'`",
        ),
    ] {
        assert_eq!(told(main, master_cf, overrides, &["hash", "lmdb"]), [expected], "{main}");
    }
}

#[test]
fn files_in_use_are_named_and_those_that_are_overridden_are_not() {
    let shown = |main: &str| -> Vec<String> {
        let all = postfix_files(&values(main));
        let line = |n: &super::Named| format!("{} {} {:?}", n.setting, n.path.display(), n.side);
        all.iter().map(line).collect()
    };
    assert_eq!(
        shown(
            "smtpd_tls_cert_file = /a.pem\nsmtpd_tls_key_file = /a.key\n\
             smtp_tls_chain_files = /b.pem, relative.pem\nsmtp_tls_cert_file = /c.pem\n\
             tls_server_sni_maps = lmdb:/d/sni, texthash:/e\n"
        ),
        [
            "smtpd_tls_cert_file /a.pem Server",
            "smtpd_tls_key_file /a.key Server",
            "smtp_tls_chain_files /b.pem Client",
            "tls_server_sni_maps /d/sni.lmdb Map",
        ]
    );
    assert_eq!(
        shown("smtpd_tls_chain_files = /n.pem\nsmtpd_tls_key_file = /old.key\n"),
        ["smtpd_tls_chain_files /n.pem Server"]
    );
}
