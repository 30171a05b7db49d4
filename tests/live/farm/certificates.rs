//! Certificates and chains with something wrong, one thing or several.

use rcgen::{
    BasicConstraints, CrlDistributionPoint, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    NameConstraints, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, SerialNumber,
};

use super::mode::{Kind, Mode};
use super::openssl::{Peer, Signed, rsa_keys};
use super::pki::{
    Ca, Pki, Shown, ca, ca_issuers, called, dated, der, leaf, root, self_signed, signed,
    signed_for, under,
};
use super::tls::Tls;

/// The serial number that the farm's list of revoked certificates has.
pub(crate) const REVOKED: u64 = 666;

/// No key and no hash is too weak, but no old version is offered either.
const ANY_KEY: [&str; 4] = ["-min_protocol", "TLSv1.2", "-cipher", "ALL:@SECLEVEL=0"];

fn wrong(name: &str, about: &'static str) -> Mode {
    Mode::new(Kind::Certificate, name, about)
}

/// The table.
pub(crate) fn modes(pki: &Pki) -> Vec<Mode> {
    let mut modes = issuers(pki);
    modes.extend(order(pki));
    modes.extend(intermediates(pki));
    modes.extend(dates(pki));
    modes.extend(several(pki));
    modes.extend(keys(pki));
    modes.extend(fetched(pki));
    modes
}

fn issuers(pki: &Pki) -> Vec<Mode> {
    let twin = under(ca("Farm CA 1"), &pki.root);
    let staging = root(ca("(STAGING) Pretend Pear X1"));
    let staging = under(ca("(STAGING) Tenuous Tomato R13"), &staging);
    let young = under(ca("YE1"), &root(ca("Root YE")));
    vec![
        wrong("self-signed", "signed by its own key")
            .shows(|host| self_signed(&leaf(&[host])))
            .refused(&["self-signed"]),
        wrong("self-signed-ca", "signed by its own key, and says it is a CA")
            .shows(|host| {
                let mut params = leaf(&[host]);
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.distinguished_name = called(host);
                self_signed(&params)
            })
            .refused(&["self-signed"]),
        wrong("missing-intermediate", "the leaf alone")
            .shows(|host| pki.good(host).alone())
            .refused(&["missing-intermediate"]),
        wrong("wrong-intermediate", "another CA's intermediate")
            .shows(|host| pki.good(host).alone().then(&[&pki.other_middle]))
            .refused(&["wrong-intermediate"]),
        wrong("wrong-intermediate-twin", "an intermediate of the same name with another key")
            .shows(|host| pki.good(host).alone().then(&[&twin]))
            .refused(&["wrong-intermediate"]),
        wrong("untrusted-root", "a whole chain to a private root")
            .shows(|host| signed(leaf(&[host]), &pki.other_middle))
            .refused(&["untrusted-root"]),
        wrong("untrusted-root-sent", "the same with its root")
            .shows(|host| signed(leaf(&[host]), &pki.other_middle).then(&[&pki.other_root]))
            .refused(&["untrusted-root", "root-sent"]),
        wrong("untrusted-root-staging", "a chain that is named as Let's Encrypt's staging")
            .shows(|host| signed(leaf(&[host]), &staging))
            .refused(&["untrusted-root"]),
        wrong("untrusted-root-ye", "a new root that is not cross-signed")
            .shows(|host| signed(leaf(&[host]), &young))
            .refused(&["untrusted-root"]),
    ]
}

fn order(pki: &Pki) -> Vec<Mode> {
    let lower = under(ca("Farm CA 1.1"), &pki.middle);
    let strangers: Vec<Ca> = (0..60).map(|n| root(ca(&format!("Stranger {n}")))).collect();
    vec![
        wrong("leaf-not-first", "the intermediate before the leaf")
            .shows(|host| {
                let mut shown = pki.good(host);
                shown.chain.reverse();
                shown
            })
            .refused(&["leaf-not-first"]),
        wrong("chain-order", "the upper intermediate before the lower")
            .shows(|host| signed(leaf(&[host]), &lower).alone().then(&[&pki.middle, &lower]))
            .warns(&["chain-order"]),
        wrong("chain-order-root", "the root before the intermediate")
            .shows(|host| pki.good(host).alone().then(&[&pki.root, &pki.middle]))
            .warns(&["chain-order", "root-sent"]),
        wrong("root-sent", "the root sent along")
            .shows(|host| pki.good(host).then(&[&pki.root]))
            .warns(&["root-sent"]),
        wrong("chain-duplicate", "the leaf twice")
            .shows(|host| {
                let mut shown = pki.good(host);
                shown.chain.insert(0, shown.chain[0].clone());
                shown
            })
            .warns(&["chain-duplicate"]),
        wrong("chain-duplicate-issuer", "the intermediate twice")
            .shows(|host| pki.good(host).then(&[&pki.middle]))
            .warns(&["chain-duplicate"]),
        wrong("chain-extra", "a private CA's intermediate sent along")
            .shows(|host| pki.good(host).then(&[&pki.other_middle]))
            .warns(&["chain-extra"]),
        wrong("chain-of-62", "60 roots of strangers sent along")
            .shows(|host| pki.good(host).then(&strangers.iter().collect::<Vec<_>>()))
            .warns(&["chain-too-long", "chain-extra"]),
        wrong("huge-san", "1,501 names, 60 kB")
            .shows(|host| {
                let name = |n| format!("a-rather-long-label-{n:04}.farm.test");
                let names: Vec<String> = (0..1500).map(name).chain([host.to_owned()]).collect();
                signed(leaf(&names.iter().map(String::as_str).collect::<Vec<_>>()), &pki.middle)
            })
            .warns(&["large-certificate"]),
    ]
}

fn intermediates(pki: &Pki) -> Vec<Mode> {
    let ended = under(dated(ca("Farm CA 0"), -900, -3), &pki.root);
    let toothless = |name: &str| {
        let mut params = ca(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![];
        params
    };
    let toothless = under(toothless("Farm CA T"), &pki.root);
    let mut short = ca("Farm CA S");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = under(short, &pki.root);
    let too_deep = under(ca("Farm CA S.1"), &short);
    let mut narrow = ca("Farm CA N");
    narrow.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
        excluded_subtrees: vec![],
    });
    let narrow = under(narrow, &pki.root);
    let mut barred = ca("Farm CA X");
    barred.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![],
        excluded_subtrees: vec![GeneralSubtree::DnsName("farm.test".to_owned())],
    });
    let barred = under(barred, &pki.root);
    let by = |ca: &Ca, host: &str| signed(leaf(&[host]), ca);
    vec![
        wrong("intermediate-expired", "an intermediate that ended three days ago")
            .shows(|host| by(&ended, host))
            .refused(&["intermediate-expired"]),
        wrong("not-a-ca", "an intermediate that says CA:FALSE")
            .shows(|host| by(&toothless, host))
            .refused(&["not-a-ca"]),
        wrong("path-length", "an intermediate under one that may have none below it")
            .shows(|host| by(&too_deep, host).then(&[&short]))
            .refused(&["not-a-ca"]),
        wrong("name-constraint", "an intermediate for example.com only")
            .shows(|host| by(&narrow, host))
            .refused(&["name-constraint"]),
        wrong("name-excluded", "an intermediate for everything but farm.test")
            .shows(|host| by(&barred, host))
            .refused(&["name-constraint"]),
    ]
}

fn dates(pki: &Pki) -> Vec<Mode> {
    let of = |host: &str, from, to| signed(dated(leaf(&[host]), from, to), &pki.middle);
    vec![
        wrong("expired", "ended ten days ago")
            .shows(|host| of(host, -100, -10))
            .refused(&["expired"]),
        wrong("not-yet-valid", "begins in five days")
            .shows(|host| of(host, 5, 95))
            .refused(&["not-yet-valid"]),
        wrong("expires-in-3d", "three of 90 days are left")
            .shows(|host| of(host, -87, 3))
            .warns(&["expires-soon"]),
        wrong("expires-in-10d", "ten of 90 days are left")
            .shows(|host| of(host, -80, 10))
            .warns(&["expires-soon"]),
    ]
}

/// Independent faults are all told.
fn several(pki: &Pki) -> Vec<Mode> {
    let client = |names: &[&str]| {
        let mut params = leaf(names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    };
    let old = |params| dated(params, -100, -10);
    let ended = under(dated(ca("Farm CA 0"), -900, -3), &pki.root);
    vec![
        wrong("client-purpose", "for TLS clients only")
            .shows(|host| signed(client(&[host]), &pki.middle))
            .refused(&["wrong-purpose"]),
        wrong("expired-and-wrong-name", "two faults")
            .shows(|_| signed(old(leaf(&["www.farm.test"])), &pki.middle))
            .refused(&["expired", "name-mismatch"]),
        wrong("expired-wrong-name-alone", "three faults: no intermediate either")
            .shows(|_| signed(old(leaf(&["www.farm.test"])), &pki.middle).alone())
            .refused(&["expired", "name-mismatch", "missing-intermediate"]),
        wrong("four-faults", "ended, another name, for clients, no intermediate")
            .shows(|_| signed(old(client(&["www.farm.test"])), &pki.middle).alone())
            .refused(&["expired", "name-mismatch", "missing-intermediate", "wrong-purpose"]),
        wrong("snake-oil", "self-signed, ended, no subjectAltName")
            .shows(|_| {
                let mut params = old(leaf(&[]));
                params.distinguished_name = called("localhost");
                self_signed(&params)
            })
            .refused(&["self-signed", "expired", "no-san"]),
        wrong("private-and-wrong-name", "a private root and another name")
            .shows(|_| signed(leaf(&["www.farm.test"]), &pki.other_middle))
            .refused(&["untrusted-root", "name-mismatch"]),
        wrong("both-ended", "leaf and intermediate have ended")
            .shows(|host| signed(old(leaf(&[host])), &ended))
            .refused(&["expired", "intermediate-expired"]),
        wrong("soon-with-root", "two warnings: ends in three days, root sent")
            .shows(|host| signed(dated(leaf(&[host]), -87, 3), &pki.middle).then(&[&pki.root]))
            .warns(&["expires-soon", "root-sent"]),
    ]
}

fn keys(pki: &Pki) -> Vec<Mode> {
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let p521 = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).expect("a key");
    let [weak] = rsa_keys([1024]);
    let strong = pki.rsa[0].0.as_str();
    let by_openssl = |mode: Mode, key: &str, issuer: &str, hash: &str| {
        let (name, host) = (mode.name.clone(), mode.host.clone());
        let signed = Signed { name: &name, host: &host, key, issuer, hash, days: "60" };
        let peer = Peer::new(pki, &name, &signed.by(pki), &ANY_KEY);
        mode.tls(Tls::Openssl(peer))
    };
    let stranger = KeyPair::generate().expect("a key");
    vec![
        by_openssl(wrong("rsa1024", "RSA of 1024 bits"), &weak, "middle", "sha256")
            .refused(&["weak-key"]),
        by_openssl(wrong("sha1", "signed with SHA-1"), strong, "rsa_middle", "sha1")
            .refused(&["weak-signature"]),
        by_openssl(wrong("rsa1024-sha1", "both"), &weak, "rsa_middle", "sha1")
            .refused(&["weak-key", "weak-signature"]),
        by_openssl(
            wrong("rsa1024-wrong-name", "RSA of 1024 bits for another name").host("mx.none.test"),
            &weak,
            "middle",
            "sha256",
        )
        .host("mx.rsa1024-wrong-name.farm.test")
        .refused(&["weak-key", "name-mismatch"]),
        wrong("ed25519", "an Ed25519 key")
            .shows(|host| signed_for(leaf(&[host]), &ed25519, &pki.middle))
            .warns(&["unusual-key"]),
        wrong("p521", "an ECDSA key on P-521")
            .shows(|host| signed_for(leaf(&[host]), &p521, &pki.middle))
            .warns(&["unusual-key"]),
        wrong("key-of-another", "signs the handshake with a key that is not the certificate's")
            .shows(|host| Shown { key: stranger.serialize_der(), ..pki.good(host) })
            .refused(&["handshake-failed"]),
    ]
}

/// What stands behind a URL in the certificate.
fn fetched(pki: &Pki) -> Vec<Mode> {
    let url = |path: &str| format!("{}/{path}", pki.web);
    let listed_at = |host: &str, serial: u64, path: &str| {
        let mut params = leaf(&[host]);
        params.serial_number = Some(SerialNumber::from(serial));
        let uris = vec![url(path)];
        params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        signed(params, &pki.middle)
    };
    let listed = |host: &str, serial| listed_at(host, serial, "middle.crl");
    let issued = |host: &str, path: &str, ca: &Ca| {
        let mut params = leaf(&[host]);
        params.custom_extensions = vec![ca_issuers(&url(path))];
        signed(params, ca).alone()
    };
    vec![
        wrong("revoked", "on its issuer's list")
            .shows(|host| listed(host, REVOKED))
            .with(&["--crl"])
            .refused(&["revoked"]),
        wrong("revoked-wrong-name", "on its issuer's list, for another name")
            .shows(|_| listed("www.farm.test", REVOKED))
            .with(&["--crl"])
            .refused(&["revoked", "name-mismatch"]),
        wrong("revoked-unasked", "on its issuer's list, which nobody reads")
            .shows(|host| listed(host, REVOKED)),
        wrong("not-revoked", "not on its issuer's list")
            .shows(|host| listed(host, 42))
            .with(&["--crl"]),
        wrong("crl-not-there", "its issuer's list is a 404")
            .shows(|host| listed_at(host, REVOKED, "none.crl"))
            .with(&["--crl"]),
        wrong("crl-endless", "its issuer's list has no end")
            .shows(|host| listed_at(host, REVOKED, "endless"))
            .with(&["--crl"]),
        wrong("crl-forged", "on a list that another key has signed")
            .shows(|host| listed_at(host, REVOKED, "forged.crl"))
            .with(&["--crl"]),
        wrong("aia", "the leaf alone; its issuer can be fetched")
            .shows(|host| issued(host, "middle.cer", &pki.middle))
            .with(&["--aia"])
            .refused(&["missing-intermediate"]),
        wrong("aia-untrusted", "the leaf alone; its issuer can be fetched, its root is private")
            .shows(|host| issued(host, "private.cer", &pki.other_middle))
            .with(&["--aia"])
            .refused(&["missing-intermediate"])
            .may(&["untrusted-root"]),
        wrong("aia-not-there", "the leaf alone; its issuer's URL is a 404")
            .shows(|host| issued(host, "none.cer", &pki.middle))
            .with(&["--aia"])
            .refused(&["missing-intermediate"]),
        wrong("aia-endless", "the leaf alone; what its issuer's URL sends has no end")
            .shows(|host| issued(host, "endless", &pki.middle))
            .with(&["--aia"])
            .refused(&["missing-intermediate"]),
    ]
}

/// What the farm serves over HTTP: path and content.
pub(crate) fn files(pki: &Pki) -> Vec<(String, Vec<u8>)> {
    let twin = root(ca("Farm CA 1"));
    vec![
        ("/middle.cer".to_owned(), der(&pki.middle).to_vec()),
        ("/private.cer".to_owned(), der(&pki.other_middle).to_vec()),
        ("/middle.crl".to_owned(), list(&pki.middle)),
        ("/forged.crl".to_owned(), list(&twin)),
    ]
}

/// A CA's list of revoked certificates.
fn list(issuer: &Ca) -> Vec<u8> {
    let now = time::OffsetDateTime::now_utc();
    let revoked = rcgen::RevokedCertParams {
        serial_number: SerialNumber::from(REVOKED),
        revocation_time: now - time::Duration::days(1),
        reason_code: Some(rcgen::RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let list = rcgen::CertificateRevocationListParams {
        this_update: now - time::Duration::days(1),
        next_update: now + time::Duration::days(6),
        crl_number: SerialNumber::from(7),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).expect("signed").der().to_vec()
}
