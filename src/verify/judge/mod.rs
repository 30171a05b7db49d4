//! Judges what a server showed: pure, on the recorded chain. Every fault is told, not the first.

mod cert;
mod facts;

pub use facts::{BadBundle, chain_of_pem, facts, facts_of_chain, pair_matches};
