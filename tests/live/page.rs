//! `status --format html` in a real browser, Debian's Chromium, that can reach nobody.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use crate::fix::fix;
use crate::world::{Wish, World, text};

/// What a server says to be read as markup.
const EVIL: &str = "554 </dd><script>document.title='owned'</script><h2>All is well</h2>\r\n";

#[test]
#[ignore = "needs root, mail servers and chromium; tests/run runs it"]
fn a_browser_shows_the_broken_endpoint_finds_it_and_runs_nothing_of_what_it_says() {
    let mut world = World::start(Wish::default());
    fix(&world);
    let all_is_well = rendered(&world, &page(&world, "well.html", 0), "");
    assert!(all_is_well.contains(">All is well</p>"), "{all_is_well}");
    assert!(!all_is_well.contains("class=\"refused\""), "{all_is_well}");

    let port = says_what_it_likes(&mut world);
    world.mailcert(&["fix", "--yes"]).exits(1);
    let page = page(&world, "broken.html", 0);
    let all = rendered(&world, &page, "");
    let at = |what: &str| all.find(what).unwrap_or_else(|| panic!("{what}: {all}"));
    let top = at("<h3><span class=\"refused\">refused</span> odd.alpha.test</h3>");
    let said = at("554 &lt;/dd&gt;&lt;script&gt;document.title='owned'");
    assert!(top < said && said < at("id=\"timeline\""), "{all}");
    assert!(all.contains("<title>1 thing needs a person: mailcert on"), "{all}");
    assert_eq!(all.matches("<h2>All is well").count(), 0, "{all}");
    assert!(all.contains("role=\"search\">"), "the script has not run: {all}");
    assert_eq!(all.matches(" hidden=\"\"").count(), 0, "{all}");

    let found = rendered(&world, &page, &format!("#filter=odd.ALPHA%20{port}"));
    let count = found.split("aria-live=\"polite\">").nth(1).unwrap();
    let (shown, rest) = count.split_once(" of ").unwrap();
    let things = rest.split_once(" shown").unwrap().0;
    let (shown, things): (usize, usize) = (shown.parse().unwrap(), things.parse().unwrap());
    // On top, and its row; of the others none.
    assert!(shown == 2 && things > 20, "{shown} of {things}");
    assert!(found.matches(" hidden=\"\"").count() >= things - shown, "{found}");

    it_fits_a_phone(&world, &page);
    it_can_be_printed(&world, &page);
    it_is_light_and_dark(&world, &page);
}

/// A mail host of alpha.test on this machine that is not ours: nothing can mend it.
fn says_what_it_likes(world: &mut World) -> u16 {
    let listener = TcpListener::bind((world.postfix(), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = world.postfix();
    world.add_to_zone(&[
        format!("_submission._tcp.alpha SRV 0 1 {port} odd.alpha"),
        format!("odd.alpha A {address}"),
    ]);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Who hangs up has heard enough.
            let _ = stream.and_then(|mut stream| stream.write_all(EVIL.as_bytes()));
        }
    });
    port
}

/// The page as it is now, in a file of the world.
fn page(world: &World, name: &str, code: i32) -> String {
    let page = world.mailcert(&["status", "--format", "html"]).exits(code).stdout;
    text(&world.write(name, &page, 0o644)).to_owned()
}

/// The page's own lines after its script has run.
fn rendered(world: &World, page: &str, fragment: &str) -> String {
    let dom = chromium(world, &["--dump-dom", &format!("file://{page}{fragment}")]);
    // What the script and the style say is not what is read.
    let body = dom.split("<style>").next().unwrap().to_owned();
    body + dom.split("</style>").nth(1).unwrap().split("<script>").next().unwrap()
}

/// A page that measures it in a frame: headless windows are wider than a phone.
fn it_fits_a_phone(world: &World, page: &str) {
    let page = fs::read_to_string(page).unwrap();
    let (before, after) = page.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let after = after.split_once('>').unwrap().1;
    let measured = "<script>{ const all = document.documentElement; \
                    parent.postMessage(all.scrollWidth - all.clientWidth, '*') }</script>";
    world.write("measured.html", &format!("{before}{after}{measured}"), 0o644);
    let frame = "<iframe src=measured.html style='border:0;width:360px;height:2400px'></iframe>\
                 <p id=wide></p><script>onmessage = (event) => \
                 document.getElementById('wide').textContent = `${event.data} px too wide`</script>";
    let phone = world.write("phone.html", frame, 0o644);
    let url = format!("file://{}", text(&phone));
    let dom = chromium(world, &["--virtual-time-budget=3000", "--dump-dom", &url]);
    assert!(dom.contains("<p id=\"wide\">0 px too wide</p>"), "{dom}");
    let shot = screenshot(world, "phone.png", &["--window-size=500,2400", &url]);
    assert!(shot.len() > 20_000, "{} bytes", shot.len());
}

/// On paper it takes few pages: no column is starved.
fn it_can_be_printed(world: &World, page: &str) {
    let file = world.path("page.pdf");
    let print = format!("--print-to-pdf={}", text(&file));
    chromium(world, &[print.as_str(), &format!("file://{page}")]);
    let printed = fs::read(file).unwrap();
    let pages = String::from_utf8_lossy(&printed).matches("/Type /Page\n").count();
    assert!((2..=5).contains(&pages), "{pages} pages");
}

/// The screenshots stay with the world where somebody wants to look: `SCREENSHOTS=DIR`.
fn it_is_light_and_dark(world: &World, page: &str) {
    let url = format!("file://{page}");
    let size = "--window-size=1200,2400";
    let light = screenshot(world, "light.png", &[size, &url]);
    let dark = "--blink-settings=preferredColorScheme=0";
    let dark = screenshot(world, "dark.png", &[size, dark, &url]);
    assert!(light.len() > 50_000 && dark.len() > 50_000, "{} {}", light.len(), dark.len());
    assert!(light != dark, "the page looks the same in the dark");
}

fn screenshot(world: &World, name: &str, arguments: &[&str]) -> Vec<u8> {
    let file = world.path(name);
    let shot = format!("--screenshot={}", text(&file));
    chromium(world, &[&["--hide-scrollbars", shot.as_str()], arguments].concat());
    if let Some(directory) = std::env::var_os("SCREENSHOTS") {
        fs::copy(&file, std::path::Path::new(&directory).join(name)).unwrap();
    }
    fs::read(file).unwrap()
}

/// In a network namespace of its own, so that it reaches nobody.
fn chromium(world: &World, arguments: &[&str]) -> String {
    let profile = format!("--user-data-dir={}", text(&world.path("chromium")));
    let mut command = Command::new("unshare");
    command.args([
        "-n",
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    let output =
        command.arg(profile).args(arguments).output().expect("tests/run installs chromium");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
