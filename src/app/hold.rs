//! `hold NAME` and `release NAME`: a note in the diary, which the planner heeds.

use crate::app::session::Session;
use crate::app::work::held;
use crate::app::{Failure, Output};
use crate::cli;
use crate::model::{CertName, Deed, OnHold};
use crate::report::{Body, Report, wrapped};
use crate::store::{Entry, Store as _};

/// `hold NAME`.
pub(super) async fn hold(
    session: &Session,
    typed: cli::Hold,
    output: &Output,
) -> Result<u8, Failure> {
    let cli::Hold { name, why, .. } = typed;
    held(session, &name)?;
    let _lock = session.lock(output).await?;
    // Whoever held the lock may have changed it.
    held(session, &name)?;
    if let Some(known) = on_hold(session, &name)? {
        return answer("hold", &format!("{name} is {} already", known.text()), output);
    }
    // One line, whatever was typed.
    let why = why.map(|why| why.split_whitespace().collect::<Vec<_>>().join(" "));
    let hold = OnHold { since: session.now, why: why.filter(|why| !why.is_empty()) };
    let because = hold.why.clone();
    note(session, &name, Some(hold), format!("put {name} on hold"), because)?;
    let text = "stays as it is from now on, and ends on its day; it is free again after";
    answer("hold", &format!("{name} {text} `mailcert release {name}`"), output)
}

/// `release NAME`.
pub(super) async fn release(
    session: &Session,
    name: &CertName,
    output: &Output,
) -> Result<u8, Failure> {
    if on_hold(session, name)?.is_none() {
        held(session, name)?;
    }
    let _lock = session.lock(output).await?;
    if on_hold(session, name)?.is_none() {
        return answer("release", &format!("{name} is not on hold"), output);
    }
    note(session, name, None, format!("released {name}"), None)?;
    let text = format!("{name} is released: `mailcert run` does what has become due");
    answer("release", &text, output)
}

fn answer(command: &'static str, text: &str, output: &Output) -> Result<u8, Failure> {
    let body = Body::Text { text: wrapped(text, ""), files: Vec::new() };
    output.answer(&Report::new(command, body, Vec::new()))?;
    Ok(0)
}

/// Insists that a certificate is not on hold, where something is to take its place.
///
/// # Errors
/// [`Failure`] with the command that ends that.
pub(super) fn is_free(session: &Session, name: &CertName) -> Result<(), Failure> {
    match on_hold(session, name)? {
        None => Ok(()),
        Some(hold) => Err(Failure::helped(
            format_args!("{name} is {}: it stays as it is", hold.text()),
            format_args!("`mailcert release {name}` ends that"),
        )),
    }
}

fn on_hold(session: &Session, name: &CertName) -> Result<Option<OnHold>, Failure> {
    let diary = session.store.diary().map_err(Failure::store)?;
    Ok(diary.on_hold.get(name).cloned())
}

fn note(
    session: &Session,
    name: &CertName,
    hold: Option<OnHold>,
    what: String,
    because: Option<String>,
) -> Result<(), Failure> {
    session.store.note(&Entry::OnHold(name.clone(), hold)).map_err(Failure::store)?;
    let deed = Deed { because, ..Deed::asked_for(session.now, &[name], what) };
    session.store.tell(&[deed]).map_err(Failure::store)
}
