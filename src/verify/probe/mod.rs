//! Holds the socket: walks the endpoints side by side within the bounds.
//!
//! What it asks and reads is decided by `starttls`, what it saw is judged by `judge`.

mod again;
mod broken;
mod capture;
mod differ;
mod fetch;
mod file;
mod first;
mod gate;
mod inspect;
mod lanes;
mod look;
mod second;
mod shown;
mod tap;
mod walk;

#[cfg(test)]
mod tests;

pub use differ::compare_addresses;
pub use fetch::Fetched;
pub use file::inspect_file;
pub use inspect::unresolved;
pub use shown::{Shown, shown};
pub use walk::{Walk, inspect_all};
