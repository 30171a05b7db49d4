//! Holds the socket: walks the endpoints side by side within the bounds.
//!
//! What it asks and reads is decided by `starttls`, what it saw is judged by `judge`.

mod capture;
mod inspect;
mod look;
mod tap;
mod walk;

#[cfg(test)]
mod tests;

pub use inspect::unresolved;
pub use walk::{Walk, inspect_all};
