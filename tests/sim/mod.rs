//! A world for three years of simulated time: see README.md here.

pub(crate) mod ca;
#[expect(dead_code, reason = "the laws use more of it")]
#[path = "../laws/chance.rs"]
pub(crate) mod chance;
pub(crate) mod fate;
pub(crate) mod machine;
pub(crate) mod report;
