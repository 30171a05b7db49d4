//! What a resident mailcert waits for, and what it tells others meanwhile: the next moment
//! ([`Schedule`]), files that change ([`Eyes`]), the service manager ([`Service`]), a page for
//! Prometheus and for who asks whether all is well ([`Page`]).
//!
//! What a round does is not known here: that is `run`, and `app` begins it.

mod eyes;
mod page;
mod schedule;
mod service;

pub use eyes::Eyes;
pub use page::Page;
pub use schedule::{Ended, Schedule};
pub use service::Service;
