//! Domains as they should be, and as they often are.

use expect_test::expect;

use super::check;

cases! {
    a_plain_domain_has_its_hosts_with_all_reasons_best_first: "example.org smtp.example.org",
        "example.org MX 10 mail.example.org
         example.org MX 20 backup.example.net
         mail.example.org A 192.0.2.7
         mail.example.org AAAA 2001:db8::7
         smtp.example.org A 192.0.2.7
         backup.example.net A 198.51.100.9
         _submission._tcp.example.org SRV 0 1 587 mail.example.org
         _submissions._tcp.example.org SRV 0 1 465 mail.example.org
         _imaps._tcp.example.org SRV 0 1 993 imap.example.org
         _sieve._tcp.example.org SRV 0 1 4190 imap.example.org
         imap.example.org A 192.0.2.7",
        expect![[r#"
            example.org
              mail.example.org <mx 10, srv _submission 587, srv _submissions 465, guess mail> [2001:db8::7 192.0.2.7] all included
              backup.example.net <mx 20> [198.51.100.9] none out: none of its addresses is this machine's
              imap.example.org <srv _imaps 993, srv _sieve 4190, guess imap> [192.0.2.7] all included
              smtp.example.org <config, guess smtp> [192.0.2.7] all included
              points-elsewhere: backup.example.net: backup.example.net points to 198.51.100.9, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `backup.example.net. A 192.0.2.7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses
        "#]];

    no_mx_means_the_domain_itself: "example.org",
        "example.org A 192.0.2.7",
        expect![[r#"
            example.org
              example.org <address (no mx)> [192.0.2.7] all included
              no-mx: example.org: example.org has no MX record, so mail goes to its own address (RFC 5321 section 5.1); publish one that names the mail host, or the null MX 0 . if it takes no mail
        "#]];

    no_mx_and_an_address_elsewhere: "example.org",
        "example.org A 198.51.100.1",
        expect![[r#"
            example.org
              example.org <address (no mx)> [198.51.100.1] none out: none of its addresses is this machine's
              no-mx: example.org: example.org has no MX record, so mail goes to its own address (RFC 5321 section 5.1); publish one that names the mail host, or the null MX 0 . if it takes no mail
              points-elsewhere: example.org: example.org points to 198.51.100.1, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `example.org. A 192.0.2.7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses
        "#]];

    no_mx_and_no_address: "example.org",
        "example.org CAA 0 issue ca.example",
        expect![[r#"
            example.org
              no-mx: example.org: example.org has neither an MX record nor an address, so no mail reaches it; publish an MX record that names the mail host, or the null MX 0 . if it takes no mail
        "#]];

    no_mx_and_no_answer_for_the_address: "example.org",
        "example.org CAA 0 issue ca.example
         example.org SERVFAIL A
         example.org SERVFAIL AAAA",
        expect![[r#"
            example.org
              example.org <address (no mx)> [] none out: the DNS did not answer (SERVFAIL): kept as it is
              undecided: example.org
              no-mx: example.org: example.org has no MX record, so mail goes to its own address (RFC 5321 section 5.1); publish one that names the mail host, or the null MX 0 . if it takes no mail
              dns-failure: example.org: the DNS did not answer for the A records of example.org (SERVFAIL): certificates keep the names they cover; ask by hand: dig A example.org
        "#]];

    a_null_mx_takes_no_mail_and_may_offer_imap: "example.org",
        "example.org MX 0 .
         example.org A 192.0.2.7
         _imaps._tcp.example.org SRV 0 0 993 mail.example.org
         _imap._tcp.example.org SRV 0 0 0 .
         _pop3._tcp.example.org SRV 0 0 0 .
         mail.example.org A 192.0.2.7",
        expect![[r#"
            example.org
              mail.example.org <srv _imaps 993, guess mail> [192.0.2.7] all included
              not offered: imap
              not offered: pop3
              null-mx: example.org: example.org has a null MX: it says that it takes no mail (RFC 7505); nothing to do unless it should take mail
        "#]];

    a_null_mx_beside_others_is_no_name: "example.org",
        "example.org MX 0 .
         example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7",
        expect![[r#"
            example.org
              mx.example.org <mx 10, guess mx> [192.0.2.7] all included
              bad-name: example.org: the MX record of example.org (preference 0) names the root (.), which may only stand alone (RFC 7505 section 3); put the name of a host that has an address there
        "#]];

    an_mx_that_is_an_alias: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org CNAME real.example.net
         real.example.net A 192.0.2.7",
        expect![[r#"
            example.org
              mx.example.org <mx 10, guess mx> [192.0.2.7] all included
              mx-is-alias: mx.example.org: mx.example.org is named by an MX or SRV record and is an alias (CNAME) of "real.example.net", which RFC 2181 section 10.3 and RFC 2782 forbid: some senders refuse it; give it A and AAAA records of its own, or name the other host in the record
        "#]];

    an_mx_that_is_an_address: "example.org",
        "example.org MX 10 192.0.2.7
         example.org MX 20 [192.0.2.7]
         example.org MX 30 2001:db8::7",
        expect![[r#"
            example.org
              mx-is-address: example.org: the MX record of example.org (preference 10) names the address "192.0.2.7", and a host name is expected (RFC 5321 section 5.1): senders ignore it; give the address a name and put that into the record
              mx-is-address: example.org: the MX record of example.org (preference 20) names the address "[192.0.2.7]", and a host name is expected (RFC 5321 section 5.1): senders ignore it; give the address a name and put that into the record
              mx-is-address: example.org: the MX record of example.org (preference 30) names the address "2001:db8::7", and a host name is expected (RFC 5321 section 5.1): senders ignore it; give the address a name and put that into the record
        "#]];

    a_host_partly_here_is_included_and_said: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7
         mx.example.org A 198.51.100.9
         _imaps._tcp.example.org SRV 0 1 993 imap.example.org
         imap.example.org A 192.0.2.7
         imap.example.org AAAA 2001:db8::99",
        expect![[r#"
            example.org
              mx.example.org <mx 10> [192.0.2.7 198.51.100.9] some included
              imap.example.org <srv _imaps 993> [2001:db8::99 192.0.2.7] some included
              points-partly: imap.example.org: imap.example.org points to this machine (192.0.2.7) and to 2001:db8::99, which is not this machine's: the certificate is shown here only; CAs ask IPv6 first, so that machine has to answer them for imap.example.org, too: take care of it there, or state the address in [machine] addresses if it is this machine's
              points-partly: mx.example.org: mx.example.org points to this machine (192.0.2.7) and to 198.51.100.9, which is not this machine's: the certificate is shown here only; take care of it there, or state the address in [machine] addresses if it is this machine's
              mx-elsewhere: mx.example.org: mx.example.org takes mail at 198.51.100.9 as well, so the CA's http-01 question may land there: have that machine pass /.well-known/acme-challenge/ on to 192.0.2.7, or give each machine a name of its own
        "#]];

    an_excluded_host_is_listed_and_left_out: "example.org old.example.org -old.example.org -mail.example.org",
        "example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7
         old.example.org A 192.0.2.7
         mail.example.org A 192.0.2.7",
        expect![[r#"
            example.org
              mx.example.org <mx 10, guess mx> [192.0.2.7] all included
              old.example.org <config> [192.0.2.7] all out: the configuration excludes it
        "#]];

    an_mx_without_an_address: "example.org",
        "example.org MX 10 gone.example.org
         example.org MX 20 empty.example.org
         empty.example.org CAA 0 issue ca.example",
        expect![[r#"
            example.org
              gone.example.org <mx 10> [] none out: it does not exist in the DNS
              empty.example.org <mx 20> [] none out: it has no address in the DNS
              undecided: empty.example.org
              no-such-host: empty.example.org: empty.example.org has no address in the DNS: add A and AAAA records, or remove what names it
              no-such-host: gone.example.org: gone.example.org does not exist in the DNS (NXDOMAIN): add A and AAAA records, or remove what names it
        "#]];
}

#[tokio::test]
async fn an_answer_is_authenticated_where_dnssec_vouches_for_all_of_it() {
    let signed = "a.test secure\na.test MX 10 mx.a.test\nmx.a.test A 192.0.2.7\n";
    for (text, expected) in [
        (signed.to_owned(), true),
        (signed.replace("a.test secure\n", ""), false),
        // One host elsewhere that nobody vouches for.
        (format!("{signed}a.test MX 20 mx.b.test\nmx.b.test A 192.0.2.7\n"), false),
        // What is not there is vouched for as well.
        (signed.replace("mx.a.test A", "other.a.test A"), true),
    ] {
        let zone = crate::dns::Zone::parse(&text).unwrap();
        let answers = super::ask(&[super::domain("a.test")], &zone, true).await;
        assert_eq!(answers[0].authenticated, expected, "{text}");
    }
}
