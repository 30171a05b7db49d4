//! Failures, hostile answers, and guesses among them.

use expect_test::expect;

use super::check;

cases! {
    a_failed_address_keeps_the_host: "example.org",
        "example.org MX 10 mx1.example.org
         example.org MX 20 mx2.example.org
         example.org MX 30 mx3.example.org
         example.org MX 40 mx4.example.org
         mx1.example.org SERVFAIL
         mx2.example.org TIMEOUT
         mx3.example.org REFUSED
         mx4.example.org BOGUS",
        expect![[r#"
            example.org
              mx1.example.org <mx 10> [] none out: the DNS did not answer (SERVFAIL): kept as it is
              mx2.example.org <mx 20> [] none out: the DNS did not answer (no answer in time): kept as it is
              mx3.example.org <mx 30> [] none out: the DNS did not answer (REFUSED): kept as it is
              mx4.example.org <mx 40> [] none out: the DNS did not answer (DNSSEC validation failed): kept as it is
              undecided: mx1.example.org
              undecided: mx2.example.org
              undecided: mx3.example.org
              undecided: mx4.example.org
              dns-failure: mx1.example.org: the DNS did not answer for the A records of mx1.example.org (SERVFAIL): certificates keep the names they cover; ask by hand: dig A mx1.example.org
              dns-failure: mx2.example.org: the DNS did not answer for the A records of mx2.example.org (no answer in time): certificates keep the names they cover; ask by hand: dig A mx2.example.org
              dns-failure: mx3.example.org: the DNS did not answer for the A records of mx3.example.org (REFUSED): certificates keep the names they cover; ask by hand: dig A mx3.example.org
              dns-bogus: mx4.example.org: the DNS did not answer for the AAAA records of mx4.example.org (DNSSEC validation failed): certificates keep the names they cover; no CA issues for it while its DNSSEC signatures are wrong: dig +cd AAAA mx4.example.org shows the records, delv AAAA mx4.example.org the fault
        "#]];

    one_failed_kind_of_address_does_not_hide_the_other: "example.org",
        "example.org MX 10 here.example.org
         example.org MX 20 there.example.org
         here.example.org A 192.0.2.7
         here.example.org SERVFAIL AAAA
         there.example.org A 198.51.100.9
         there.example.org SERVFAIL AAAA",
        expect![[r#"
            example.org
              here.example.org <mx 10> [192.0.2.7] all included
              there.example.org <mx 20> [198.51.100.9] none out: the DNS did not answer (SERVFAIL): kept as it is
              undecided: there.example.org
              dns-failure: here.example.org: the DNS did not answer for the AAAA records of here.example.org (SERVFAIL): certificates keep the names they cover; ask by hand: dig AAAA here.example.org
              dns-failure: there.example.org: the DNS did not answer for the AAAA records of there.example.org (SERVFAIL): certificates keep the names they cover; ask by hand: dig AAAA there.example.org
        "#]];

    a_silent_domain_does_not_fail_the_next: "silent.example mail.silent.example
example.org",
        "silent.example TIMEOUT
         mail.silent.example A 192.0.2.7
         example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7",
        expect![[r#"
            silent.example (incomplete)
              mail.silent.example <config> [192.0.2.7] all included
              dns-failure: silent.example: the DNS did not answer for MX of silent.example (no answer in time): certificates keep the names they cover; ask by hand: dig MX silent.example
            example.org
              mx.example.org <mx 10, guess mx> [192.0.2.7] all included
        "#]];

    a_failing_domain_is_incomplete: "bad.example",
        "bad.example SERVFAIL",
        expect![[r#"
            bad.example (incomplete)
              undecided: imap.bad.example
              undecided: mail.bad.example
              undecided: mx.bad.example
              undecided: pop.bad.example
              undecided: smtp.bad.example
              dns-failure: bad.example: the DNS did not answer for MX, SRV _submission._tcp and 6 more of bad.example (SERVFAIL): certificates keep the names they cover; ask by hand: dig MX bad.example
        "#]];

    a_bogus_domain_is_told_so: "bogus.example",
        "bogus.example BOGUS",
        expect![[r#"
            bogus.example (incomplete)
              undecided: imap.bogus.example
              undecided: mail.bogus.example
              undecided: mx.bogus.example
              undecided: pop.bogus.example
              undecided: smtp.bogus.example
              dns-bogus: bogus.example: the DNS did not answer for MX, SRV _submission._tcp and 6 more of bogus.example (DNSSEC validation failed): certificates keep the names they cover; no CA issues for it while its DNSSEC signatures are wrong: dig +cd MX bogus.example shows the records, delv MX bogus.example the fault
        "#]];

    a_domain_that_does_not_exist: "example.org mail.example.net",
        "mail.example.net A 192.0.2.7",
        expect![[r#"
            example.org
              mail.example.net <config> [192.0.2.7] all included
              no-such-host: example.org: the mail domain example.org does not exist in the DNS (NXDOMAIN): correct its name in the configuration, or register and delegate it
        "#]];

    a_failed_srv_question_is_one_finding: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7
         _imap._tcp.example.org REFUSED
         _pop3._tcp.example.org REFUSED
         _sieve._tcp.example.org BOGUS",
        expect![[r#"
            example.org (incomplete)
              mx.example.org <mx 10, guess mx> [192.0.2.7] all included
              dns-failure: example.org: the DNS did not answer for SRV _imap._tcp, SRV _pop3._tcp of example.org (REFUSED): certificates keep the names they cover; ask by hand: dig SRV _imap._tcp.example.org
              dns-bogus: example.org: the DNS did not answer for SRV _sieve._tcp of example.org (DNSSEC validation failed): certificates keep the names they cover; no CA issues for it while its DNSSEC signatures are wrong: dig +cd SRV _sieve._tcp.example.org shows the records, delv SRV _sieve._tcp.example.org the fault
        "#]];

    guesses_are_taken_when_all_their_addresses_are_here: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7
         mail.example.org A 192.0.2.7
         smtp.example.org A 198.51.100.9
         imap.example.org A 192.0.2.7
         imap.example.org A 198.51.100.9
         pop.example.org SERVFAIL",
        expect![[r#"
            example.org
              mx.example.org <mx 10, guess mx> [192.0.2.7] all included
              mail.example.org <guess mail> [192.0.2.7] all included
              undecided: pop.example.org
        "#]];

    a_wildcard_takes_no_guess: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7
         mail.example.org A 192.0.2.7
         *.example.org A 192.0.2.7",
        expect![[r#"
            example.org
              mx.example.org <mx 10> [192.0.2.7] all included
        "#]];

    a_wildcard_that_does_not_answer_leaves_guesses_unanswered: "example.org",
        "example.org MX 10 mx.example.net
         mx.example.net A 192.0.2.7
         mail.example.org A 192.0.2.7
         *.example.org SERVFAIL",
        expect![[r#"
            example.org (incomplete)
              mx.example.net <mx 10> [192.0.2.7] all included
              undecided: imap.example.org
              undecided: mail.example.org
              undecided: mx.example.org
              undecided: pop.example.org
              undecided: smtp.example.org
              dns-failure: example.org: the DNS did not answer for SRV _submission._tcp, SRV _submissions._tcp and 5 more of example.org (SERVFAIL): certificates keep the names they cover; ask by hand: dig SRV _submission._tcp.example.org
        "#]];

    srv_targets_may_be_aliases_and_odd_ports: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org A 192.0.2.7
         _submission._tcp.example.org SRV 10 1 2525 mx.example.org
         _submission._tcp.example.org SRV 20 1 587 mx.example.org
         _imap._tcp.example.org SRV 0 1 0 mx.example.org
         _imaps._tcp.example.org SRV 0 1 993 imap.example.org
         imap.example.org CNAME mx.example.org",
        expect![[r#"
            example.org
              mx.example.org <mx 10, srv _submission 587, srv _submission 2525, guess mx> [192.0.2.7] all included
              imap.example.org <srv _imaps 993, guess imap> [192.0.2.7] all included
              bad-name: example.org: the SRV _imap._tcp record of example.org names port 0, where nothing can listen; name the port, 143 by its standard, or the target . if the service is not offered
              mx-is-alias: imap.example.org: imap.example.org is named by an MX or SRV record and is an alias (CNAME) of "mx.example.org", which RFC 2181 section 10.3 and RFC 2782 forbid: some senders refuse it; give it A and AAAA records of its own, or name the other host in the record
        "#]];

    hostile_names_are_findings_and_never_hosts: "example.org",
        r#"example.org MX 1 default
         example.org MX 2 localhost
         example.org MX 3 ..\047etc\047passwd
         example.org MX 4 ../../etc/passwd.example
         example.org MX 5 a\"b.example
         example.org MX 6 a\000\010\027[31m.example
         example.org MX 7 *.example.org
         example.org MX 8 a\.b.example
         example.org MX 9 -a.example
         example.org MX 10 a_b.example
         example.org MX 11 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example
         example.org MX 12 bücher.example
         example.org MX 13 $(reboot).example
         _imaps._tcp.example.org SRV 0 0 993 a/b.example"#,
        expect![[r#"
            example.org
              bad-name: example.org: the MX record of example.org (preference 1) names "default", which is not good for a host: a host name needs at least two labels, found "default"; put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 2) names "localhost", which is not good for a host: a host name needs at least two labels, found "localhost"; put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 3) names "..\047etc\047passwd", which is not good for a host: "" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 4) names "../../etc/passwd.example", which is not good for a host: "" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 5) names "a\"b.example", which is not good for a host: "a\\\"b" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 6) names "a\000\010\027[31m.example", which is not good for a host: "a\\000\\010\\027[31m" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 7) names "*.example.org", which is not good for a host: "*" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 8) names "a\.b.example", which is not good for a host: "a\\" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 9) names "-a.example", which is not good for a host: "-a" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 10) names "a_b.example", which is not good for a host: "a_b" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 11) names "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaa", which is not good for a host: a host name has at most 240 bytes, found 251; put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 12) names "bücher.example", which is not good for a host: "bücher" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the MX record of example.org (preference 13) names "$(reboot).example", which is not good for a host: "$(reboot)" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
              bad-name: example.org: the SRV _imaps._tcp record of example.org names "a/b.example", which is not good for a host: "a/b" is no label of a host name (letters, digits and - only); put the name of a host that has an address there
        "#]];

    an_alias_loop_keeps_the_host: "example.org",
        "example.org MX 10 a.example.org
         a.example.org CNAME b.example.org
         b.example.org CNAME a.example.org",
        expect![[r#"
            example.org
              a.example.org <mx 10> [] none out: the DNS did not answer (its aliases lead in a circle or too far): kept as it is
              undecided: a.example.org
              mx-is-alias: a.example.org: a.example.org is named by an MX or SRV record and is an alias (CNAME) of "b.example.org", which RFC 2181 section 10.3 and RFC 2782 forbid: some senders refuse it; give it A and AAAA records of its own, or name the other host in the record
              dns-failure: a.example.org: the DNS did not answer for the A records of a.example.org (its aliases lead in a circle or too far): certificates keep the names they cover; ask by hand: dig A a.example.org
        "#]];

    a_host_of_two_domains_has_the_same_findings_in_both: "one.example
two.example",
        "one.example MX 10 mx.example.net
         two.example MX 10 mx.example.net
         mx.example.net A 198.51.100.9",
        expect![[r#"
            one.example
              mx.example.net <mx 10> [198.51.100.9] none out: none of its addresses is this machine's
              points-elsewhere: mx.example.net: mx.example.net points to 198.51.100.9, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `mx.example.net. A 192.0.2.7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses
            two.example
              mx.example.net <mx 10> [198.51.100.9] none out: none of its addresses is this machine's
              points-elsewhere: mx.example.net: mx.example.net points to 198.51.100.9, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `mx.example.net. A 192.0.2.7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses
        "#]];

    letters_are_lower_case_and_names_come_once: "example.org mx.example.org",
        "example.org MX 10 MX.Example.ORG.
         example.org MX 10 mx.example.org
         example.org MX 20 mx.example.org
         mx.example.org A 192.0.2.7",
        expect![[r#"
            example.org
              mx.example.org <mx 10, mx 20, config, guess mx> [192.0.2.7] all included
        "#]];

    a_mapped_address_is_the_same_address: "example.org",
        "example.org MX 10 mx.example.org
         mx.example.org AAAA ::ffff:192.0.2.7",
        expect![[r#"
            example.org
              mx.example.org <mx 10, guess mx> [::ffff:192.0.2.7] all included
        "#]];
}
