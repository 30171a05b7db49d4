//! What around a server breaks mail, or will, however right its certificates are: findings for
//! `check`, over settings that `survey` reads.
//!
//! Nothing here looks at a disk or asks a server. A finding names the setting, what it says, what
//! was expected, and the command that cures it. What the admin decided and what harms nobody (a
//! filter's way back on loopback, one host that is sent to in the clear) is no finding.

mod beside;
mod dovecot;
mod exim;
mod files;
mod postfix;
mod protocols;

pub use beside::{Mta, exposed_in, in_git, shadowed, unasked};
pub use dovecot::{dovecot, dovecot_files};
pub use exim::{Transport, exim, exim_files, transports};
pub use files::{Named, SeenFile, Side, files};
pub use postfix::{Postfix, postfix, postfix_files};
