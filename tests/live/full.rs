//! A full disk, at every write: the store's, the servers', and both.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::crash::Small;
use crate::world::daemons::run;
use crate::world::{World, text};

/// Where the servers have their files.
const SERVERS: [&str; 3] = ["postfix/etc/mailcert", "exim/tls", "dovecot/mailcert"];
/// tmpfs gives room by the page.
const PAGE: u64 = 4096;

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_full_disk_costs_no_name_and_no_second_certificate_whatever_it_holds() {
    let mut small = Small::start();
    let state = [disk(&mut small.world, "state")];
    let servers = SERVERS.map(|directory| disk(&mut small.world, directory));
    let both = [&state[..], &servers[..]].concat();
    for (what, disks) in [("state", &state[..]), ("servers", &servers[..]), ("both", &both[..])] {
        small.change();
        let enough = (0..64).find(|&pages| {
            let when = format!("{what}: {pages} pages are left");
            disks.iter().for_each(|ballast| fill(ballast, pages));
            let ran = small.world.mailcert(&["fix", "--yes"]);
            small.works(&when);
            if ran.code == 0 {
                return true;
            }
            let ran = ran.exits(1);
            let said = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            let clear = ["no space left on device", "no space is left on the device"];
            assert!(clear.iter().any(|text| said.contains(text)), "{when}: {ran}");
            false
        });
        eprintln!("{what}: enough are {enough:?} pages");
        assert!(enough.is_some_and(|pages| pages > 1), "{what}: it took {enough:?}");
        disks.iter().for_each(|ballast| fs::remove_file(ballast).unwrap());
        small.finishes(what);
    }
}

/// Gives a directory a file system of its own; returns the file that is to fill it.
fn disk(world: &mut World, directory: &str) -> PathBuf {
    let (path, copy) = (world.path(directory), world.path("copy"));
    run("cp", &["-a", text(&path), text(&copy)]);
    run("mount", &["-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs", text(&path)]);
    // Lazily: Postfix, which has the map open, ends after this.
    world.daemons.at_the_end(&format!("umount --lazy {}", text(&path)));
    run("sh", &["-c", &format!("cp -a {}/. {}", text(&copy), text(&path))]);
    fs::remove_dir_all(&copy).unwrap();
    path.join("ballast")
}

/// Fills the file system but for so many pages.
fn fill(ballast: &PathBuf, pages: u64) {
    let mut file: File = OpenOptions::new().create(true).append(true).open(ballast).unwrap();
    let page = [0; PAGE as usize];
    let full = loop {
        if let Err(error) = file.write_all(&page) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let size = file.metadata().unwrap().len().div_ceil(PAGE) * PAGE;
    file.set_len(size.saturating_sub(pages * PAGE)).unwrap();
}
