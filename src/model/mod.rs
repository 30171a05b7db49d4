//! The vocabulary: values that every room speaks, parsed once and good for ever.
//!
//! Nothing here reads a file, a socket, a clock or the environment. What does not parse does not
//! exist: a [`Hostname`] needs no second check anywhere else.

mod absence;
mod cert;
mod challenge;
mod deed;
mod finding;
mod host;
mod hostname;
mod inspection;
mod key;
mod not_ours;
mod on_hold;
mod owner;
mod policies;
mod renewal;
mod revocation;
mod rollover;
mod service;
mod spent;
mod timestamp;
mod tsig;
mod web_server;

pub use absence::Absence;
pub use cert::{BadCertName, CertName, Facts, KeyHash, KeyType, Keys, Sha256, Version};
pub use challenge::{AnsweredFrom, Because, Challenge, Way, Ways};
pub use deed::Deed;
pub use finding::{Code, Finding, Level};
pub use host::{Host, Points, Why};
pub use hostname::{BadHostname, DnsId, Hostname};
pub use inspection::{
    CertificateSeen, Details, Inspection, Problem, Stage, StageMark, Stages, Tls, Verdict,
};
pub use key::{Bundle, PrivateKey};
pub use not_ours::{NotOurs, again_at};
pub use on_hold::OnHold;
pub use owner::Owner;
pub use policies::{Dane, MtaSts, Policies, StsHost, StsMode, TlsRpt, TlsaSeen};
pub use renewal::Renewal;
pub use revocation::Revocation;
pub use rollover::{Announced, NextKey, Rollover, RolloverNote, tlsa_line};
pub use service::{Endpoint, Service, TlsMode};
pub use spent::{Clock, Failed, Mark, Ordered, Spent, Weight};
pub use timestamp::Timestamp;
pub use tsig::{TsigAlgorithm, TsigKey};
pub use web_server::WebServer;
