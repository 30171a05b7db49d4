//! `account`: the account at the CA is looked at, made, given another key or other contacts, or
//! given up.

use crate::app::Failure;
use crate::app::output::{Output, ask_consent, can_ask};
use crate::app::session::Session;
use crate::cli::{Account, AccountAction};
use crate::issue::{AccountSeen, Refusal, Registered, Standing};
use crate::model::{Deed, Finding};
use crate::report::{AccountRow, Body, Report};
use crate::store::Store as _;

/// Does one thing with the account at the CA of the configuration.
pub(super) async fn account(
    session: &Session,
    typed: &Account,
    output: &Output,
    notes: Vec<Finding>,
) -> Result<u8, Failure> {
    let action = typed.action;
    if typed.yes && action != AccountAction::Deactivate {
        return Err(Failure::helped(
            format_args!("--yes is for deactivate; {} asks nothing", action.as_str()),
            format_args!("`mailcert account {}` does it", action.as_str()),
        ));
    }
    let given_up = match action {
        AccountAction::Show => None,
        _ => change(session, typed, output).await?,
    };
    let seen = match action {
        AccountAction::Deactivate => None,
        _ => session.ca().look_at_account().await.map_err(|why| damaged(session, &why))?,
    };
    let row = row(session, action, given_up, seen);
    // What was done is done, whatever the CA answers afterwards.
    let is_well = action != AccountAction::Show || row.standing.as_deref() == Some("valid");
    output.answer(&Report::new("account", Body::Account(row), notes))?;
    Ok(u8::from(!is_well))
}

/// Everything but `show`: under the lock, and written in the diary. Returns the account that was
/// given up, if one was.
async fn change(
    session: &Session,
    typed: &Account,
    output: &Output,
) -> Result<Option<String>, Failure> {
    let (action, ca) = (typed.action, session.ca());
    if action != AccountAction::Register {
        insist(session, action)?;
    }
    if action == AccountAction::Deactivate {
        consent(session, typed)?;
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
    let text = format!("{what} at {}", session.config.acme.directory);
    let deed = Deed::asked_for(session.how.moment(), &[&"account"], text);
    session.store.tell(&[deed]).map_err(Failure::store)?;
    Ok(given_up)
}

/// Insists that there is an account, before anything is written.
fn insist(session: &Session, action: AccountAction) -> Result<(), Failure> {
    let url = &session.config.acme.directory;
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
fn consent(session: &Session, typed: &Account) -> Result<(), Failure> {
    let url = &session.config.acme.directory;
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
    if !why.by_ca || action == AccountAction::Register {
        return Failure::work(message);
    }
    Failure::work_helped(
        message,
        "`mailcert account show` says what the CA makes of the account, and \
         `mailcert account register` makes another one where it takes it no more",
    )
}

fn damaged(session: &Session, why: &Refusal) -> Failure {
    let file = session.store.account_file(&session.config.acme.directory);
    let file = file.display();
    Failure::work_helped(
        why.sentence(),
        format_args!("put {file} back from a backup; without that file, the next order makes one"),
    )
}

fn row(
    session: &Session,
    action: AccountAction,
    given_up: Option<String>,
    seen: Option<AccountSeen>,
) -> AccountRow {
    let directory = session.config.acme.directory.clone();
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
