//! Looks at the machine and changes nothing: store, installed files, server settings, listeners,
//! live TLS, TLSA.

pub mod adopt;
pub mod files;
pub mod live;
mod observe;

pub use observe::{Anew, Look, Observation, damaged, held, observe};

use std::net::IpAddr;

use crate::config::ServerTable;
use crate::model::{Finding, Hostname};
use crate::servers::Server;

/// A configured or found server with what its own settings say, and the state of its hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Everything known of it.
    pub server: Server,
    /// Whether it uses our files.
    pub hook: crate::plan::Hook,
    /// Whether it runs.
    pub running: bool,
    /// When its configuration was last edited.
    pub edited_at: Option<crate::model::Timestamp>,
}

impl Asked {
    /// Whether a look at its listeners can say anything of our files.
    #[must_use]
    pub fn can_be_looked_at(&self) -> bool {
        self.running && self.hook == crate::plan::Hook::There
    }
}

/// Asks every configured server for its settings, or, where `tables` is empty, finds the servers
/// on this machine that listen on an address in `reached`. What cannot be asked is a finding.
pub async fn servers(tables: &[ServerTable], reached: &[IpAddr]) -> (Vec<Asked>, Vec<Finding>) {
    let _ = (tables, reached);
    let _: Option<Hostname> = None;
    todo!()
}
