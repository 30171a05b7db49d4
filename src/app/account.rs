//! `account`: the account at the CA is looked at, made, given another key or other contacts, or
//! given up.

use crate::app::Failure;
use crate::app::output::{Output, ask_consent, can_ask};
use crate::app::session::Session;
use crate::cli::{Account, AccountAction};
use crate::config;
use crate::issue::{AccountSeen, Acme, Refusal, Registered, Standing};
use crate::model::Deed;
use crate::report::{AccountRow, Body, Report};
use crate::store::Store as _;

/// Does one thing with the account at the CA of the configuration.
pub(super) async fn account(
    session: &Session,
    typed: &Account,
    output: &Output,
) -> Result<u8, Failure> {
    let action = typed.action;
    if typed.yes && action != AccountAction::Deactivate {
        return Err(Failure::helped(
            format_args!("--yes is for deactivate; {} asks nothing", action.as_str()),
            format_args!("`mailcert account {}` does it", action.as_str()),
        ));
    }
    let at = chosen(session, typed)?;
    let given_up = match action {
        AccountAction::Show => None,
        _ => change(session, at, typed, output).await?,
    };
    let seen = match action {
        AccountAction::Deactivate => None,
        _ => at.1.look_at_account().await.map_err(|why| damaged(session, at, &why))?,
    };
    let row = row(session, at, action, (given_up, seen));
    // What was done is done, whatever the CA answers afterwards.
    let is_well = action != AccountAction::Show || row.standing.as_deref() == Some("valid");
    output.answer(&Report::new("account", Body::Account(row), Vec::new()))?;
    Ok(u8::from(!is_well))
}

/// The CA whose account it is about, and what the configuration says of it.
type At<'a> = (&'a config::Acme, &'a Acme);

/// The CA that was named; else the first one.
fn chosen<'a>(session: &'a Session, typed: &Account) -> Result<At<'a>, Failure> {
    let first = session.authorities().next();
    let first = first.ok_or_else(|| Failure::work("the configuration names no CA"))?;
    let Some(named) = &typed.ca else { return Ok(first) };
    let named = config::acme_directory(named).map_err(Failure::usage)?;
    let found = session.authorities().find(|(settings, _)| settings.directory == named);
    found.ok_or_else(|| {
        let all: Vec<&str> =
            session.authorities().map(|(settings, _)| settings.directory.as_str()).collect();
        Failure::helped(
            format_args!("--ca {named} is no CA of the configuration"),
            format_args!("it names {}", all.join(" and ")),
        )
    })
}

/// Everything but `show`: under the lock, and written in the diary. Returns the account that was
/// given up, if one was.
async fn change(
    session: &Session,
    at: At<'_>,
    typed: &Account,
    output: &Output,
) -> Result<Option<String>, Failure> {
    let (action, ca) = (typed.action, at.1);
    if action != AccountAction::Register {
        insist(session, at, action)?;
    }
    if action == AccountAction::Deactivate {
        consent(at, typed)?;
    }
    let _lock = session.lock(output).await?;
    let mut given_up = None;
    let done = match action {
        AccountAction::Show => return Ok(None),
        AccountAction::Register => ca.register_account().await.map(|made| match made {
            Registered::New => Some("registered an account"),
            Registered::Before => None,
        }),
        AccountAction::Rollover => {
            ca.roll_key().await.map(|_| Some("gave the account another key"))
        }
        AccountAction::Contacts => {
            ca.update_contacts().await.map(|()| Some("told the account's contacts"))
        }
        AccountAction::Deactivate => {
            let done = ca.deactivate_account().await;
            done.map(|url| {
                given_up = Some(url);
                Some("deactivated the account")
            })
        }
    };
    let Some(what) = done.map_err(|why| refused(action, &why))? else { return Ok(None) };
    let text = format!("{what} at {}", at.0.directory);
    let deed = Deed::asked_for(session.how.moment(), &[&"account"], text);
    session.store.tell(&[deed]).map_err(Failure::store)?;
    Ok(given_up)
}

/// Insists that there is an account, before anything is written.
fn insist(session: &Session, at: At<'_>, action: AccountAction) -> Result<(), Failure> {
    let url = &at.0.directory;
    if session.store.account(url).map_err(Failure::store)?.is_some() {
        return Ok(());
    }
    Err(Failure::work_helped(
        format_args!("{}: no account at {url} is kept here", action.as_str()),
        match action {
            AccountAction::Deactivate => "an account whose key is lost cannot be given up",
            _ => "`mailcert account register` makes one, and so does the first order",
        },
    ))
}

/// Asks a person, unless `--yes` was said.
fn consent(at: At<'_>, typed: &Account) -> Result<(), Failure> {
    let url = &at.0.directory;
    if !typed.yes && !can_ask() {
        return Err(Failure::work_helped(
            "the account is not deactivated: there is no terminal to ask on",
            "`mailcert account deactivate --yes` gives it up without asking",
        ));
    }
    if typed.yes || ask_consent(&format!("Give up the account at {url} for good?")) {
        return Ok(());
    }
    Err(Failure::work("the account is not deactivated: the answer was no"))
}

fn refused(action: AccountAction, why: &Refusal) -> Failure {
    let message = format!("{} did not work: {}", action.as_str(), why.sentence());
    if !why.by_ca() || action == AccountAction::Register {
        return Failure::work(message);
    }
    Failure::work_helped(
        message,
        "`mailcert account show` says what the CA makes of the account, and \
         `mailcert account register` makes another one where it takes it no more",
    )
}

fn damaged(session: &Session, at: At<'_>, why: &Refusal) -> Failure {
    let file = session.store.account_file(&at.0.directory);
    let file = file.display();
    Failure::work_helped(
        why.sentence(),
        format_args!("put {file} back from a backup; without that file, the next order makes one"),
    )
}

fn row(
    session: &Session,
    at: At<'_>,
    action: AccountAction,
    (given_up, seen): (Option<String>, Option<AccountSeen>),
) -> AccountRow {
    let directory = at.0.directory.clone();
    let file = seen.is_some().then(|| session.store.account_file(&directory));
    let (action, is_rolling) = (action.as_str(), seen.as_ref().is_some_and(|one| one.is_rolling));
    let none = AccountRow {
        action,
        directory,
        standing: given_up.as_ref().map(|_| "deactivated".to_owned()),
        account: given_up,
        file,
        said: None,
        contact: None,
        is_rolling,
    };
    let Some(AccountSeen { url, standing, contact, .. }) = seen else { return none };
    let (standing, said) = match standing {
        Standing::Says(word) => (word, None),
        Standing::Unknown => ("unknown".to_owned(), None),
        Standing::Refuses(said) => ("refused".to_owned(), Some(said)),
        Standing::Unasked(refusal) => ("unasked".to_owned(), Some(refusal.sentence())),
    };
    AccountRow { account: Some(url), standing: Some(standing), said, contact, ..none }
}
