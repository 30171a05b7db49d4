//! Starts the world of the live tests, says where it is, and keeps it until it is killed. This
//! is what `examples/demo` plays in.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "like the tests it writes files and runs programs"
)]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/world/mod.rs"]
mod world;

use world::{Wish, World};

fn main() {
    let world = World::start(Wish { blocks: 40..=43, ..Wish::default() });
    println!("directory={}", world.directory().display());
    println!("postfix={}\nexim={}\nready=yes", world.postfix(), world.exim());
    // However this ends, the world's watchdog ends the servers and removes the directory.
    loop {
        std::thread::park();
    }
}
