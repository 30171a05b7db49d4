//! What a conversation leaves behind: what is offered, what is odd, and its lines.

use crate::verify::{Fault, visible, visible_bytes};

/// As many lines of a conversation as are kept.
const MOST_KEPT: usize = 60;

/// What was learnt on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What is offered inside TLS; control characters are made visible.
    pub offers: Vec<String>,
    /// What is wrong with logins; it ends no conversation.
    pub faults: Vec<Fault>,
    /// The lines, each behind `S: ` or `C: `, if they were to be kept.
    pub transcript: Vec<String>,
    /// Whether the lines are to be kept.
    pub(super) keep: bool,
}

impl Heard {
    /// Keeps a line of one side.
    pub(super) fn line(&mut self, side: char, text: &str) {
        match self.transcript.len() {
            _ if !self.keep => {}
            kept if kept < MOST_KEPT => self.transcript.push(format!("{side}: {}", visible(text))),
            MOST_KEPT => self.transcript.push("S: (and more)".to_owned()),
            _ => {}
        }
    }

    /// Keeps a line that did not end.
    pub(super) fn rest(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.line('S', &visible_bytes(bytes));
        }
    }
}
