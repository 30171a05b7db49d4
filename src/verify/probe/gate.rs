//! [`Gate`]: what all looks at one address share: the turns there, and the ports that are silent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::look::{Aim, Look};
use crate::model::{Code, Stage};
use crate::verify::How;

/// One address while somebody looks at it or waits for that.
#[derive(Debug)]
pub(super) struct Gate {
    /// The connections that may be open there.
    pub(super) turns: Semaphore,
    /// Ports where a look waited for a word until its deadline: those still to come would wait as
    /// long, one behind the other. With the stage they would come to.
    silent: Mutex<BTreeMap<u16, Stage>>,
}

impl Gate {
    /// The gate of an address that takes this many connections.
    pub(super) fn new(connections: usize) -> Self {
        Self { turns: Semaphore::new(connections), silent: Mutex::default() }
    }

    /// Where this port let an earlier look wait in vain, if it did.
    pub(super) fn silence(&self, aim: Aim<'_>) -> Option<Stage> {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(&aim.to.port()).copied()
    }

    /// Remembers a port where nobody answered, whatever the name is: before a handshake no name
    /// was sent. On a port that begins with TLS a balancer may know the name already, and only
    /// `run`, which asks this machine's own servers, takes one for all.
    pub(super) fn heard(&self, aim: Aim<'_>, look: &Look, how: &How) {
        let Some(fault) = &look.fault else { return };
        let nameless = fault.stage != Stage::Handshake || !how.extras.thorough;
        if fault.code == Code::Timeout && look.silence.is_none() && nameless {
            let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
            silent.insert(aim.to.port(), fault.stage);
        }
    }
}
