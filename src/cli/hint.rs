//! What to type instead, for each wrong combination of options.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The hint that belongs to what clap found wrong, if there is one beside its own words.
#[must_use]
pub fn hint(error: &Error) -> Option<&'static str> {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(one)) => one.clone(),
        Some(ContextValue::Strings(all)) => all.join(" "),
        _ => String::new(),
    };
    let (arg, prior) = (named(ContextKind::InvalidArg), named(ContextKind::PriorArg));
    let has = |word: &str| arg.contains(word);
    let is = |word: &str| arg.starts_with(word);
    let either = |word: &str| is(word) || prior.contains(word);
    Some(match error.kind() {
        ErrorKind::MissingRequiredArgument if has("--pem") => FILES,
        ErrorKind::MissingRequiredArgument if is("--host") => HOST,
        ErrorKind::MissingRequiredArgument if is("<NAME") => "`mailcert status` lists the names",
        ErrorKind::MissingRequiredArgument if is("<ACTION>") => {
            "`mailcert account show` looks at it, `mailcert account --help` lists the rest"
        }
        ErrorKind::ArgumentConflict if either("--pem") => NO_SERVER,
        ErrorKind::ArgumentConflict if either("--json") => "--json is short for --format json",
        ErrorKind::ArgumentConflict if either("--quiet") => {
            "-v says more, -q says less: one of them"
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue if is("--tries") => TRIES,
        ErrorKind::ValueValidation if is("--connect") => CONNECT,
        ErrorKind::ValueValidation if is("--at") => {
            "`--at 2027-02-10T00:00:00Z` is a moment in UTC"
        }
        ErrorKind::ValueValidation if is("--host") => HOST,
        _ => return None,
    })
}

const FILES: &str = "--key, --host and --at are for --pem: \
                     `mailcert verify --pem cert.pem --key key.pem --host mx.example.org`";
const HOST: &str = "the name that clients connect to decides: `mailcert verify --pem fullchain.pem \
                    --host mx1.example.org`";
const NO_SERVER: &str = "a file is judged without a server: `mailcert verify --pem fullchain.pem \
                         --host mx1.example.org`, or `mailcert verify mx1.example.org:25`";
const TRIES: &str = "`--tries 1` is the least: one handshake with the server's name, one without";
const CONNECT: &str = "the name is the target, the address where it is looked for: \
                       `mailcert verify mx1.example.org:25 --connect 192.0.2.7`";
