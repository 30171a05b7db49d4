//! The account itself: bound to another, its contacts and its key changed, given up; and what it and
//! a certificate's own key revoke.

use std::path::PathBuf;
use std::sync::Arc;

use mailcert::config::ExternalAccount;
use mailcert::issue::{Acme, Refusal, Registered, SignedBy, Standing};
use mailcert::model::{PrivateKey, Revocation};
use zeroize::Zeroizing;

use crate::accounts::Accounts;
use crate::{World, said};

/// What Pebble's configuration has in base64url.
const KEY: &[u8] = b"a key that a web site gave us, 32+ bytes of it";
const KEY_BASE64: &str = "YSBrZXkgdGhhdCBhIHdlYiBzaXRlIGdhdmUgdXMsIDMyKyBieXRlcyBvZiBpdA";

fn bound(key_id: &str, key: &[u8]) -> Option<ExternalAccount> {
    let key = Zeroizing::new(key.to_vec());
    Some(ExternalAccount::new(key_id.to_owned(), PathBuf::from("/k"), key))
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn only_the_right_key_binds_an_account() {
    let world = World::configured(
        30,
        &[],
        &[],
        serde_json::json!({
            "externalAccountBindingRequired": true,
            "externalAccountMACKeys": {"kid-1": KEY_BASE64},
        }),
    );
    let with = |eab| world.acme_with(&world.store, |settings| settings.eab = eab);
    for (eab, expected) in [
        (None, "wants an external account: its web site gives a key id and an HMAC key"),
        (bound("kid-1", b"another key"), "it was bound to \"kid-1\" (eab in [acme])"),
        (bound("kid-2", KEY), "it was bound to \"kid-2\" (eab in [acme])"),
    ] {
        let refused = world.issue(&with(eab), &["mx.a.example"], &[]).await.err();
        let message = said(refused.expect("no account is to be had"));
        assert!(message.contains(expected), "{message}");
        assert_eq!(world.store.made(), 0);
    }
    let acme = with(bound("kid-1", KEY));
    world.issue(&acme, &["mx.a.example"], &[]).await.map_err(said).unwrap();
    assert_eq!(world.store.made(), 1);
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn the_old_key_is_worth_nothing_after_a_rollover() {
    let world = World::start(31, &[("PEBBLE_WFE_NONCEREJECT", "30")], &[]);
    world.acme().register_account().await.map_err(said).unwrap();
    let old = world.store.text(&world.url()).unwrap();
    let url = world.acme().roll_key().await.map_err(said).unwrap();
    let new = world.store.text(&world.url()).unwrap();
    assert!(old.contains(&url) && new.contains(&url) && old != new);
    assert!(!new.contains("next_key"), "the old key is kept");
    world.issue(&world.acme(), &["mx.a.example"], &[]).await.map_err(said).unwrap();
    let thief = world.acme_with(&Accounts::holding(&world.url(), &old), |_| ());
    let seen = thief.look_at_account().await.map_err(said).unwrap().unwrap();
    assert!(matches!(seen.standing, Standing::Refuses(_)), "{seen:?}");
}

/// Killed after so many writes: the key that is kept then, and whether the CA takes it.
async fn killed(world: &World, writes: usize) -> (String, Arc<Accounts>) {
    let store = Accounts::holding(&world.url(), &world.store.text(&world.url()).unwrap());
    store.killed_after(writes);
    let refused = world.acme_with(&store, |_| ()).roll_key().await.err();
    assert!(said(refused.expect("it was killed")).contains("the process is not in the store"));
    let left = store.text(&world.url()).unwrap();
    (left.clone(), Accounts::holding(&world.url(), &left))
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn a_rollover_that_is_killed_leaves_an_account_that_works() {
    let world = World::start(32, &[], &[]);
    world.acme().register_account().await.map_err(said).unwrap();
    let before = world.store.text(&world.url()).unwrap();

    // Before anything was written, nothing has changed.
    assert_eq!(killed(&world, 0).await.0, before);

    // The CA has said yes, and nobody wrote that down.
    let (left, store) = killed(&world, 1).await;
    assert!(left.contains("next_key_pkcs8"));
    let seen = world.acme_with(&store, |_| ()).look_at_account().await.map_err(said).unwrap();
    let seen = seen.unwrap();
    assert!(seen.is_rolling && matches!(&seen.standing, Standing::Says(word) if word == "valid"));
    assert_eq!(store.text(&world.url()).unwrap(), left, "whoever looks writes nothing");
    let acme = world.acme_with(&store, |_| ());
    world.issue(&acme, &["mx.a.example"], &[]).await.map_err(said).unwrap();
    let new = store.text(&world.url()).unwrap();
    assert!(!new.contains("next_key_pkcs8") && new != before);
    assert!(left.contains(&key_of(&new)) && key_of(&new) != key_of(&before));

    // The key was written down, and the CA never heard of it.
    let never = new.replace('}', ",\"next_key_pkcs8\":\"") + &key_of(&before) + "\"}";
    let store = Accounts::holding(&world.url(), &never);
    let acme = world.acme_with(&store, |_| ());
    world.issue(&acme, &["mx.b.example"], &[]).await.map_err(said).unwrap();
    assert_eq!(store.text(&world.url()).unwrap(), new);
    assert_eq!(acme.register_account().await.map_err(said).unwrap(), Registered::Before);
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn a_ca_that_is_gone_decides_on_no_key() {
    let mut world = World::start(33, &[], &[]);
    world.acme().register_account().await.map_err(said).unwrap();
    let (left, store) = killed(&world, 1).await;
    world.pebble.kill().unwrap();
    world.pebble.wait().unwrap();
    let acme = world.acme_with(&store, |_| ());
    let refused = world.issue(&acme, &["mx.a.example"], &[]).await.err();
    assert!(said(refused.expect("there is no CA")).contains("cannot be asked"));
    assert_eq!(store.text(&world.url()).unwrap(), left, "a key was thrown away");
    let seen = acme.look_at_account().await.map_err(said).unwrap().unwrap();
    assert!(seen.is_rolling && matches!(seen.standing, Standing::Unasked(_)), "{seen:?}");
}

fn key_of(account: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(account).unwrap();
    json["key_pkcs8"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn the_ca_is_told_the_contacts_and_of_the_end() {
    let world = World::start(34, &[], &[]);
    assert!(world.acme().look_at_account().await.map_err(said).unwrap().is_none());
    assert_eq!(world.acme().register_account().await.map_err(said).unwrap(), Registered::New);
    assert_eq!(contacts(&world.acme()).await, ["mailto:postmaster@example.org"]);
    let acme = world.acme_with(&world.store, |settings| {
        settings.contact = vec!["mailto:tls@example.org".to_owned()];
    });
    acme.update_contacts().await.map_err(said).unwrap();
    assert_eq!(contacts(&world.acme()).await, ["mailto:tls@example.org"]);

    let old = world.store.text(&world.url()).unwrap();
    world.acme().deactivate_account().await.map_err(said).unwrap();
    assert_eq!(world.store.text(&world.url()), None);
    let again = Accounts::holding(&world.url(), &old);
    let refused = world.issue(&world.acme_with(&again, |_| ()), &["mx.a.example"], &[]).await;
    assert!(said(refused.err().expect("it is deactivated")).contains("unauthorized"));
    // As after a kill between the CA's yes and our forgetting it.
    let acme = world.acme_with(&again, |_| ());
    assert_eq!(acme.register_account().await.map_err(said).unwrap(), Registered::New);
    world.issue(&acme, &["mx.a.example"], &[]).await.map_err(said).unwrap();
}

async fn contacts(acme: &Acme) -> Vec<String> {
    let seen = acme.look_at_account().await.map_err(said).unwrap().unwrap();
    seen.contact.unwrap_or_default()
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn the_account_revokes_and_so_does_the_certificates_own_key() {
    let world = World::start(35, &[("PEBBLE_WFE_NONCEREJECT", "30")], &[]);
    let acme = world.acme();
    let nobody = world.acme_with(&Arc::default(), |_| ());
    let stranger = PrivateKey::from_pem(rcgen::KeyPair::generate().unwrap().serialize_pem());
    for by_account in [true, false] {
        let issued = world.issue(&acme, &["mx.a.example"], &[]).await.map_err(said).unwrap();
        let leaf = leaf(&issued.bundle.chain);
        assert_eq!(status(&world, &leaf).await, "Valid");
        let refused = nobody.revoke(&leaf, REASON, SignedBy::Account).await;
        assert!(said(refused.unwrap_err()).starts_with("no account for "));
        let refused: Refusal =
            nobody.revoke(&leaf, REASON, SignedBy::Certificate(&stranger)).await.unwrap_err();
        assert!(refused.by_ca() && said(refused).starts_with("the CA refused the revocation: "));
        assert_eq!(status(&world, &leaf).await, "Valid");
        for _ in 0..2 {
            // The second time it is revoked already, which is as wanted.
            let done = match by_account {
                true => acme.revoke(&leaf, REASON, SignedBy::Account).await,
                false => {
                    nobody.revoke(&leaf, REASON, SignedBy::Certificate(&issued.bundle.key)).await
                }
            };
            done.map_err(said).unwrap();
            assert_eq!(status(&world, &leaf).await, "Revoked");
        }
    }
}

const REASON: Revocation = Revocation::KeyCompromise;

fn leaf(chain: &str) -> Vec<u8> {
    x509_parser::pem::Pem::iter_from_buffer(chain.as_bytes()).next().unwrap().unwrap().contents
}

/// What Pebble's management interface says of a certificate.
async fn status(world: &World, leaf: &[u8]) -> String {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).unwrap();
    let serial = certificate.raw_serial_as_string().replace(':', "");
    let url = format!("https://{}:15000/cert-status-by-serial/{serial}", world.address);
    let request = http::Request::get(url).body(bytes::Bytes::new()).unwrap();
    let answer = world.http().send(request).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    json["Status"].as_str().unwrap().to_owned()
}
