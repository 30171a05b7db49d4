//! Servers that speak what libraries of today do not, by openssl.

use mailcert::model::Service;

use super::mail::Point;
use super::mode::{Kind, Mode};
use super::openssl::Peer;
use super::pki::{Pki, Shown, dated, leaf, signed, signed_for};
use super::tls::Tls;
use super::trap::Trap;

/// ECDHE and RSA with TLS 1.0's suites.
const TLS10: &[&str] = &["-tls1", "-cipher", "ALL:@SECLEVEL=0"];
const TLS11: &[&str] = &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
/// Down to TLS 1.0; s_server has no way to name a range.
const TLS10_TO_13: &[&str] = &["-no_ssl3", "-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0"];
const TLS11_TO_12: &[&str] =
    &["-min_protocol", "TLSv1.1", "-max_protocol", "TLSv1.2", "-cipher", "ALL:@SECLEVEL=0"];
const CBC: &[&str] = &["-tls1_2", "-cipher", "ECDHE+AES+SHA1:ECDHE+AES+SHA256:@SECLEVEL=0"];
const DHE: &[&str] = &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"];
const RSA_GCM: &[&str] = &["-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0"];
const RSA_CBC: &[&str] = &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:@SECLEVEL=0"];
const CLIENT: &[&str] = &["-tls1_2", "-Verify", "1", "-verify_return_error"];

/// The table.
pub(crate) fn modes(pki: &Pki) -> Vec<Mode> {
    let old = |name: &str, about: &'static str, options: &[&'static str]| {
        one(pki, Mode::new(Kind::Old, name, about), options, |host| pki.good(host))
    };
    let rsa = |name: &str, about: &'static str, options: &[&'static str]| {
        let make = |host: &str| signed_for(rsa_leaf(host), &pki.rsa[0].pair(), &pki.rsa_middle);
        one(pki, Mode::new(Kind::Old, name, about), options, make)
    };
    let ended = |names: &[&str]| signed(dated(leaf(names), -100, -10), &pki.middle);
    let name = "tls10-only-expired";
    let tls10_expired = Mode::new(Kind::Old, name, "TLS 1.0 alone, ended, another name");
    let cbc_expired = Mode::new(Kind::Old, "cbc-only-expired", "only CBC suites, ended");
    let over_465 = Mode::new(Kind::Old, "tls10-only-465", "TLS 1.0 alone, at port 465");
    vec![
        old("tls10-only", "TLS 1.0 alone", TLS10).refused(&["protocol-too-old"]),
        old("tls11-only", "TLS 1.1 alone", TLS11).refused(&["protocol-too-old"]),
        rsa("tls10-only-rsa", "TLS 1.0 alone, with an RSA key", TLS10)
            .refused(&["protocol-too-old"]),
        one(pki, over_465.over(Service::Submissions), TLS10, |host| pki.good(host))
            .refused(&["protocol-too-old"]),
        one(pki, tls10_expired, TLS10, |_| ended(&["www.farm.test"])).refused(&[
            "protocol-too-old",
            "expired",
            "name-mismatch",
        ]),
        old("tls10-to-13", "TLS 1.0 to 1.3", TLS10_TO_13).warns(&["old-protocol-offered"]),
        old("tls11-to-12", "TLS 1.1 and 1.2", TLS11_TO_12).warns(&["old-protocol-offered"]),
        old("cbc-only", "TLS 1.2 with CBC suites alone", CBC).warns(&["weak-ciphers"]),
        rsa("cbc-only-rsa", "the same with an RSA key", CBC).warns(&["weak-ciphers"]),
        one(pki, cbc_expired, CBC, |host| ended(&[host])).refused(&["weak-ciphers", "expired"]),
        rsa("dhe-only", "TLS 1.2 with DHE alone", DHE).warns(&["weak-ciphers"]),
        rsa("rsa-kx-only", "TLS 1.2 with RSA key exchange alone", RSA_GCM)
            .warns(&["no-forward-secrecy"]),
        rsa("rsa-kx-cbc-only", "the same with CBC", RSA_CBC)
            .warns(&["no-forward-secrecy"])
            .may(&["weak-ciphers"]),
        hello(pki, "tls10-hello", "chooses TLS 1.0 without being asked", 1),
        hello(pki, "ssl3-hello", "chooses SSL 3 without being asked", 0),
        old(
            "client-cert-openssl",
            "a client's certificate demanded in TLS 1.2, by OpenSSL",
            CLIENT,
        )
        .refused(&["client-cert-required"]),
    ]
}

fn one(pki: &Pki, mode: Mode, options: &[&'static str], shown: impl FnOnce(&str) -> Shown) -> Mode {
    let peer = Peer::new(pki, &mode.name, &shown(&mode.host), options);
    mode.tls(Tls::Openssl(peer))
}

/// A stack that knows nothing newer answers with its own version, whatever the client offers.
fn hello(pki: &Pki, name: &str, about: &'static str, minor: u8) -> Mode {
    let head = [22, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor];
    // The random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let bytes = [&head[..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let mode = Mode::new(Kind::Old, name, about).good(pki);
    mode.but(|mail| mail.at(Point::Hello, Trap::Stuck(bytes))).refused(&["protocol-too-old"])
}

/// RSA key exchange encrypts with the certificate's key.
fn rsa_leaf(host: &str) -> rcgen::CertificateParams {
    let mut params = leaf(&[host]);
    params.key_usages.push(rcgen::KeyUsagePurpose::KeyEncipherment);
    params
}
