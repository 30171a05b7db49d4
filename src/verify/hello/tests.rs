//! Hellos and answers as bytes, each answer cut in every way.

use rustls::AlertDescription;

use super::{Answer, Chosen, Reader, Suite, Version, client_hello, farewell, record, sized};
use crate::model::Hostname;

/// What a reader says of these bytes and then the end, the same whatever size the pieces have.
fn read(offered: Version, bytes: &[u8]) -> Option<Answer> {
    let in_pieces = |size: usize| {
        let mut reader = Reader::new(offered);
        bytes.chunks(size).find_map(|piece| reader.hear(piece)).or_else(|| reader.end())
    };
    let whole = in_pieces(bytes.len().max(1));
    for size in [1, 2, 3, 5, 7, 64, 1000] {
        assert_eq!(in_pieces(size), whole, "in pieces of {size}");
    }
    whole
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &sized(3, body)].concat()
}

/// A ServerHello: version, suite, an empty session, no compression, no extension.
fn server_hello(version: Version, suite: u16) -> Vec<u8> {
    let mut body = version.number().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    message(2, &body)
}

fn certificates(all: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = all.iter().flat_map(|der| sized(3, der)).collect();
    message(11, &sized(3, &list))
}

/// An ECDHE exchange on this curve, signed with this scheme.
fn exchange(curve: u16, signature: u16) -> Vec<u8> {
    let curve = [&[3][..], &curve.to_be_bytes()].concat();
    let signature = [&signature.to_be_bytes()[..], &sized(2, &[9; 8])].concat();
    message(12, &[curve, sized(1, &[4; 65]), signature].concat())
}

const LEAF: &[u8] = b"the leaf";
const ISSUER: &[u8] = b"its issuer";

/// The whole of what a server of this version says, in one record each.
fn flight(version: Version, suite: u16) -> Vec<u8> {
    [server_hello(version, suite), certificates(&[LEAF, ISSUER]), message(14, &[])]
        .iter()
        .flat_map(|message| record(22, version, message))
        .collect()
}

fn chosen(version: Version, suite: u16) -> Chosen {
    let chain = vec![LEAF.to_vec(), ISSUER.to_vec()];
    Chosen { version, suite: Suite(suite), chain, sent: 2, curve: None, signature: None }
}

#[test]
fn a_hello_says_byte_for_byte_what_is_offered() {
    let host = Hostname::parse("mx.example.org").unwrap();
    let hello = client_hello(Version::Tls11, Some(&host), &[0xaa; 32]);
    let hex: String = hello.iter().map(|byte| format!("{byte:02x}")).collect();
    let random = "aa".repeat(32);
    let expected = [
        "160301007a", // a handshake record
        "010000760302",
        random.as_str(),
        "00",
        "0022", // seventeen suites
        "c009c013c00ac014c008c01200330039001600",
        "2f0035000ac007c01100050004",
        "00ff",
        "0100",
        "002b",
        "00000013001100000e",
        "6d782e6578616d706c652e6f7267", // mx.example.org
        "000a000a0008001d001700180019",
        "000b00020100",
    ];
    let expected = expected.concat();
    assert_eq!(hex, expected, "\n{hex}\n{expected}");
}

#[test]
fn a_hello_is_one_that_a_tls_library_can_read() {
    let host = Hostname::parse("mx.example.org").unwrap();
    let with = client_hello(Version::Tls12, Some(&host), &[7; 32]);
    let mut acceptor = rustls::server::Acceptor::default();
    acceptor.read_tls(&mut &with[..]).unwrap();
    let accepted = acceptor.accept().unwrap().unwrap();
    let read = accepted.client_hello();
    assert_eq!(read.server_name(), Some("mx.example.org"));
    assert!(read.cipher_suites().contains(&rustls::CipherSuite::TLS_RSA_WITH_RC4_128_SHA));
    assert!(read.signature_schemes().contains(&rustls::SignatureScheme::RSA_PKCS1_SHA1));
    // Without SNI it is shorter by just that, and TLS 1.1 has no word for signatures.
    let without = client_hello(Version::Tls12, None, &[7; 32]);
    assert_eq!(with.len() - without.len(), 9 + "mx.example.org".len());
    let older = client_hello(Version::Tls11, None, &[7; 32]);
    assert!(!older.windows(2).any(|pair| pair == [0x04, 0x03]), "{older:?}");
}

#[test]
fn what_a_server_chose_is_read_with_its_certificates() {
    for (offered, version, suite, name) in [
        (Version::Tls12, Version::Tls12, 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
        (Version::Tls12, Version::Tls11, 0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        (Version::Tls11, Version::Tls10, 0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
        (Version::Tls12, Version::Ssl3, 0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        (Version::Tls12, Version::Tls12, 0xabcd, "0xABCD"),
    ] {
        let answer = read(offered, &flight(version, suite));
        assert_eq!(answer, Some(Answer::Chose(chosen(version, suite))));
        assert_eq!(Suite(suite).to_string(), name);
    }
}

#[test]
fn messages_may_share_records_and_be_cut_by_them() {
    let suite = 0xc02f;
    let all = [
        server_hello(Version::Tls12, suite),
        message(0, &[]),
        certificates(&[LEAF, ISSUER]),
        message(22, b"a stapled answer"),
        exchange(0x0019, 0x0201),
        message(13, b"asks for a certificate"),
        message(14, &[]),
    ]
    .concat();
    let expected =
        Chosen { curve: Some(0x0019), signature: Some(0x0201), ..chosen(Version::Tls12, suite) };
    let warning = record(21, Version::Tls10, &[1, 112]);
    for size in [1, 3, 50, all.len()] {
        let records = all.chunks(size).flat_map(|piece| record(22, Version::Tls12, piece));
        let bytes: Vec<u8> = warning.iter().copied().chain(records).collect();
        assert_eq!(read(Version::Tls12, &bytes), Some(Answer::Chose(expected.clone())));
    }
}

#[test]
fn the_curve_and_the_signature_are_told_only_where_they_are_there() {
    for (version, body, expected) in [
        (Version::Tls12, exchange(0x001d, 0x0401), (Some(0x001d), Some(0x0401))),
        (Version::Tls10, exchange(0x001d, 0x0401), (Some(0x001d), None)),
        (Version::Tls12, message(12, &[3, 0, 0x17, 200, 1]), (Some(0x0017), None)),
        (Version::Tls12, message(12, &[1, 0, 0x17, 0, 1]), (None, None)),
        (Version::Tls12, message(12, &[]), (None, None)),
    ] {
        let all = [server_hello(version, 0xc013), body, message(14, &[])].concat();
        let Some(Answer::Chose(chosen)) = read(Version::Tls12, &record(22, version, &all)) else {
            panic!("it is an answer");
        };
        assert_eq!((chosen.curve, chosen.signature), expected);
    }
}

#[test]
fn what_is_no_choice_is_told_for_what_it_is() {
    let alert = |alert: &[u8]| record(21, Version::Tls10, alert);
    let text = |text: &str| Some(Answer::NotTls(text.as_bytes().to_vec()));
    let refused = |alert| Some(Answer::Refused(alert));
    let in_two = [alert(&[2]), alert(&[70])].concat();
    for (bytes, expected) in [
        (alert(&[2, 40]), refused(AlertDescription::HandshakeFailure)),
        (alert(&[1, 112, 2, 70]), refused(AlertDescription::ProtocolVersion)),
        (alert(&[1, 0]), refused(AlertDescription::CloseNotify)),
        (in_two, refused(AlertDescription::ProtocolVersion)),
        (record(21, Version::Ssl3, &[2, 99]), refused(AlertDescription::Unknown(99))),
        (b"500 5.5.2 what\r\nis that".to_vec(), text("500 5.5.2 what\r\n")),
        (b"* BAD".to_vec(), text("* BAD")),
        (vec![b'x'; 1000], text(&"x".repeat(256))),
        (b"\x16\nmore".to_vec(), Some(Answer::NotTls(b"\x16\n".to_vec()))),
        (b"\x80\x2e\x04\x00\x01\x00\x02".to_vec(), Some(Answer::Ssl2)),
        (b"\x80\x03\x00\x00\x01".to_vec(), Some(Answer::Ssl2)),
        (b"\x80\n\x04".to_vec(), Some(Answer::Ssl2)),
        (b"\x80\nx".to_vec(), Some(Answer::NotTls(b"\x80\n".to_vec()))),
        (Vec::new(), None),
    ] {
        assert_eq!(read(Version::Tls12, &bytes), expected, "{bytes:?}");
    }
}

#[test]
fn an_answer_that_stops_after_its_choice_is_one() {
    let hello = record(22, Version::Tls10, &server_hello(Version::Tls10, 0x002f));
    let expected = Chosen { chain: Vec::new(), sent: 0, ..chosen(Version::Tls10, 0x002f) };
    assert_eq!(read(Version::Tls12, &hello), Some(Answer::Chose(expected)));
    // The server's own word counts more.
    let bytes = [hello, record(21, Version::Tls10, &[2, 80])].concat();
    let refused = Some(Answer::Refused(AlertDescription::InternalError));
    assert_eq!(read(Version::Tls12, &bytes), refused);
}

#[test]
fn what_breaks_the_protocol_or_its_limits_is_told() {
    let hello = server_hello(Version::Tls12, 0x002f);
    let handshake = |messages: &[u8]| record(22, Version::Tls12, messages);
    let after = |message: Vec<u8>| handshake(&[hello.clone(), message].concat());
    let long_list = message(11, &sized(3, &[0, 0, 9, 1]));
    let behind = message(11, &[&sized(3, &[])[..], &[0]].concat());
    let endless = handshake(&vec![0; 0x4000]).repeat(9);
    let mut huge = handshake(&[&[11, 0xff, 0xff, 0xff][..], &[0; 100]].concat());
    huge.extend([0; 100]);
    for (bytes, expected) in [
        (handshake(&server_hello(Version::Tls12, 1)[..20]), "the connection ended in the middle"),
        (handshake(&message(2, &[3, 3, 0])), "a ServerHello that is cut short"),
        (handshake(&message(2, &[&[3, 4][..], &[0; 60]].concat())), "a ServerHello of a version"),
        (after(server_hello(Version::Tls12, 1)), "two ServerHellos"),
        (handshake(&message(14, &[])), "a handshake message before the ServerHello"),
        (after(certificates(&[LEAF]).repeat(2)), "two Certificate messages"),
        (after(long_list), "a Certificate message whose lengths are wrong"),
        (after(behind), "a Certificate message whose lengths are wrong"),
        (after(message(11, &[1])), "a Certificate message whose lengths are wrong"),
        (after(message(20, &[0; 12])), "a handshake message that has no place there"),
        (huge, "a handshake message of more than 128 KiB"),
        (endless, "more than 128 KiB without a whole answer"),
        (b"\x16\x03\x01\xff\xff".to_vec(), "a record of more than 18 KiB"),
        (record(20, Version::Tls12, &[1]), "a record that has no place in a handshake"),
        (record(23, Version::Tls12, b"data"), "a record that has no place in a handshake"),
        ([handshake(&hello[..9]), b"500 what\r\n".to_vec()].concat(), "bytes that are no TLS"),
        (b"\x16\x03".to_vec(), "the connection ended in the middle of the answer"),
    ] {
        let answer = read(Version::Tls12, &bytes);
        let Some(Answer::Broken(how)) = answer else { panic!("{expected}: {answer:?}") };
        assert!(how.starts_with(expected), "{expected}: {how}");
    }
    let newer = read(Version::Tls11, &flight(Version::Tls12, 0x002f));
    let how = "a ServerHello of a newer version than was offered";
    assert_eq!(newer, Some(Answer::Broken(how)));
}

#[test]
fn certificates_beyond_the_64th_are_only_counted() {
    let all = vec![LEAF; 100];
    let messages =
        [server_hello(Version::Tls12, 0x002f), certificates(&all), message(14, &[])].concat();
    let bytes = record(22, Version::Tls12, &messages);
    let Some(Answer::Chose(chosen)) = read(Version::Tls12, &bytes) else { panic!("it answers") };
    assert_eq!((chosen.chain.len(), chosen.sent), (64, 100));
}

#[test]
fn a_farewell_is_two_warnings() {
    assert_eq!(farewell(Version::Tls12), b"\x15\x03\x03\x00\x02\x01\x5a\x15\x03\x03\x00\x02\x01\0");
}

#[test]
fn suites_are_sorted_by_what_they_are_good_for() {
    let kind = |suite: &Suite| {
        let exchange = match (suite.is_ecdhe(), suite.is_static_rsa()) {
            (true, false) => "ecdhe",
            (false, true) => "rsa",
            _ => "dhe",
        };
        format!("{exchange}{}", if suite.is_aead() { " aead" } else { "" })
    };
    let mut kinds: Vec<String> = Suite::offered(Version::Tls12).map(|suite| kind(&suite)).collect();
    kinds.dedup();
    // The last are RC4.
    let expected = ["ecdhe aead", "ecdhe", "dhe aead", "dhe", "rsa aead", "rsa", "ecdhe", "rsa"];
    assert_eq!(kinds, expected);
    assert!(Suite::offered(Version::Tls11).all(|suite| !suite.is_aead()));
    assert!(!Suite(0x9999).is_ecdhe() && !Suite(0x9999).is_static_rsa());
}
