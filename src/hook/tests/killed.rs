//! What is missing, what fails and what is killed: the configuration stays one that works.

use std::fs;

use crate::config::EximLayout;
use crate::disk;
use crate::hook::backup::Backup;
use crate::hook::tests::World;
use crate::store::Store;

#[tokio::test]
async fn a_server_is_not_hooked_to_files_that_are_not_there() {
    for (world, file) in [
        (World::postfix(""), "default.pem"),
        (World::postfix(""), "sni.lmdb"),
        (World::exim(EximLayout::Combined, Some("mine.conf")), "default.pem"),
        (World::exim(EximLayout::Split, Some("mine.conf")), "exim.key"),
    ] {
        if world.path("exim4").exists() {
            world.put("etc/mine.conf", "begin acl\n");
        }
        disk::remove(&world.path(&format!("d/tls/{file}"))).unwrap();
        let before = world.changes().await.unwrap();
        let error = world.plain(world.apply().await.unwrap_err());
        assert!(error.contains(&format!("/d/tls/{file} is not there yet")), "{error}");
        assert!(error.contains("run `mailcert fix --yes`, which brings certificates"), "{error}");
        assert_eq!(world.changes().await.unwrap(), before, "nothing was written");
        assert!(!world.path("state").exists() && world.store.diary().unwrap().owed.is_empty());
    }
}

#[tokio::test]
async fn lines_that_are_not_taken_leave_those_of_an_earlier_run() {
    let mut world = World::exim(EximLayout::Combined, Some("mine.conf"));
    world.put("etc/mine.conf", "# mine\nbegin acl\n");
    world.apply().await.unwrap();
    let hooked = world.text("etc/mine.conf");
    // The layout is another one now, and this Exim does not take it: its check fails.
    world.lay_out(EximLayout::Split);
    world.refuse("exim.key");
    let error = world.plain(world.apply().await.unwrap_err());
    assert!(error.contains("the configuration is as it was"), "{error}");
    assert_eq!(world.text("etc/mine.conf"), hooked);
    world.undo().await.unwrap();
    assert_eq!(world.text("etc/mine.conf"), "# mine\nbegin acl\n");
}

#[tokio::test]
async fn a_run_killed_before_its_first_edit_is_finished_or_taken_back() {
    for finished in [true, false] {
        let world = World::dovecot("protocols = imap\nssl = no\n");
        let before = world.text("etc/dovecot.conf");
        let changes = world.changes().await.unwrap();
        Backup::of(&world.path("state"), &world.server.id.0).keep(&changes).unwrap();
        if finished {
            world.apply().await.unwrap();
            assert_eq!(world.text("etc/dovecot.conf"), changes[0].after);
        }
        world.undo().await.unwrap();
        assert_eq!(world.text("etc/dovecot.conf"), before);
    }
}

#[tokio::test]
async fn an_undo_killed_between_two_files_is_finished() {
    let world = World::exim(EximLayout::Combined, None);
    world.put("etc/update-exim4.conf.conf", "dc_use_split_config='true'\n");
    world.put("etc/conf.d/main/10_mine", "MAIN_TLS_ENABLE = 1\n");
    world.apply().await.unwrap();
    disk::remove(&world.path("etc/conf.d/main/000_localmacros")).unwrap();
    world.undo().await.unwrap();
    assert_eq!(world.text("etc/conf.d/main/10_mine"), "MAIN_TLS_ENABLE = 1\n");
}

#[tokio::test]
async fn temporary_files_of_a_killed_run_are_swept_and_others_stay() {
    let world = World::dovecot("protocols = imap\nssl = no\n");
    world.apply().await.unwrap();
    let backup = Backup::of(&world.path("state"), &world.server.id.0);
    let folder = fs::read_dir(world.path("state/hook")).unwrap().next().unwrap().unwrap().path();
    let left = ".dovecot.conf.mailcert-0123456789abcdef";
    let places = [world.path("etc"), world.path("state/hook"), folder];
    for place in &places {
        fs::create_dir(place.join(left)).unwrap();
        fs::create_dir(place.join(".mine.mailcert-x")).unwrap();
    }
    backup.sweep().unwrap();
    for place in &places {
        assert!(!place.join(left).exists(), "{}", place.display());
        assert!(place.join(".mine.mailcert-x").exists(), "{}", place.display());
    }
}
