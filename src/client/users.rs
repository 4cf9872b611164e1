//! `leakgate users`: those who sign in at the control plane.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::ids::UserId;
use crate::model::role::Role;
use crate::model::secret::Secret;

use super::Io;
use super::api::Api;
use super::failure::Failure;
use super::input::read_password;
use super::leak_texts::secret_text;
use super::output::{Output, OutputArgument, items, next_page, table, text, time};

/// Those who sign in at the control plane.
#[derive(Args, Debug)]
pub struct Users {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with them.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with users. A user is named by name or by id.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Make one, with the password that standard input has in its first line.
    Create {
        /// The name they sign in with.
        name: String,
        /// What they may do.
        #[arg(long, value_parser = roles())]
        role: String,
    },
    /// List them.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Where the page before said that the next one begins.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Give one another role.
    Change {
        /// The user.
        user: String,
        /// What they may do from now on.
        #[arg(long, value_parser = roles())]
        role: String,
    },
    /// Give one another password, which standard input has in its first line. Ends their sessions.
    Password {
        /// The user.
        user: String,
    },
    /// Keep one from signing in. Ends their sessions.
    Disable {
        /// The user.
        user: String,
    },
    /// Let one sign in again.
    Enable {
        /// The user.
        user: String,
    },
    /// End all sessions of one.
    SignOut {
        /// The user.
        user: String,
    },
    /// Remove one.
    Remove {
        /// The user.
        user: String,
    },
}

fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
}

pub(super) async fn run(users: Users, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let output = users.form.output;
    let changed = |user: String, body: Value| async move {
        let id = find(api, &user).await?;
        api.send(Method::PATCH, &format!("/users/{id}"), Some(&body)).await
    };
    match users.action {
        Action::List { limit, cursor } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let answer = api.get("/users", &query).await?;
            output.show(&answer, io.out, list)?;
            if output == Output::Table {
                next_page(&answer.json()?, io.err);
            }
        }
        Action::Create { name, role } => {
            let password = read_password(io).await?;
            let body = with_password(json!({ "name": name, "role": role }), &password)?;
            let answer = api.json(Method::POST, "/users", body).await?;
            output.show(&answer, io.out, one)?;
        }
        Action::Password { user } => {
            let password = read_password(io).await?;
            let body = with_password(json!({}), &password)?;
            let id = find(api, &user).await?;
            let answer = api.json(Method::PATCH, &format!("/users/{id}"), body).await?;
            output.show(&answer, io.out, one)?;
        }
        Action::Change { user, role } => {
            output.show(&changed(user, json!({ "role": role })).await?, io.out, one)?;
        }
        Action::Disable { user } => {
            output.show(&changed(user, json!({ "disabled": true })).await?, io.out, one)?;
        }
        Action::Enable { user } => {
            output.show(&changed(user, json!({ "disabled": false })).await?, io.out, one)?;
        }
        Action::SignOut { user } => {
            let id = find(api, &user).await?;
            api.send(Method::DELETE, &format!("/sessions?user={id}"), None).await?;
            if output == Output::Table {
                writeln!(io.out, "Signed out everywhere.")?;
            }
        }
        Action::Remove { user } => {
            let id = find(api, &user).await?;
            api.send(Method::DELETE, &format!("/users/{id}"), None).await?;
            if output == Output::Table {
                writeln!(io.out, "Removed.")?;
            }
        }
    }
    Ok(())
}

/// A body with a password, written at once so that no copy of it is left behind.
fn with_password(body: Value, password: &Secret) -> Result<Vec<u8>, Failure> {
    let mut text = body.to_string().into_bytes();
    text.pop();
    if text.len() > 1 {
        text.push(b',');
    }
    text.extend_from_slice(b"\"password\":");
    secret_text(password, &mut text)?;
    text.push(b'}');
    Ok(text)
}

/// The id of a user that is named by name or by id.
async fn find(api: &Api, user: &str) -> Result<UserId, Failure> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let name = user.trim().to_lowercase();
    let mut query = vec![("limit", "200".to_owned())];
    loop {
        let page = api.get("/users", &query).await?.json()?;
        let found = items(&page, "items")
            .iter()
            .find(|one| one.get("name").and_then(Value::as_str) == Some(name.as_str()));
        if let Some(id) = found.and_then(|one| one.get("id")?.as_str()?.parse().ok()) {
            return Ok(id);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => {
                query.truncate(1);
                query.push(("cursor", next.to_owned()));
            }
            None => {
                return Err(Failure::Refused(
                    "there is no user of that name: `leakgate users list` shows them".to_owned(),
                ));
            }
        }
    }
}

fn one(user: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    rows(std::slice::from_ref(user), out)
}

fn list(users: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    rows(items(users, "items"), out)
}

fn rows(users: &[Value], out: &mut dyn Write) -> std::io::Result<()> {
    table(
        out,
        &["ID", "NAME", "ROLE", "TENANT", "DISABLED", "MADE", "LAST SIGN-IN"],
        users.iter().map(|user| {
            let disabled = user.get("disabled").and_then(Value::as_bool).unwrap_or_default();
            vec![
                text(user, "id"),
                text(user, "name"),
                text(user, "role"),
                text(user, "tenant"),
                if disabled { "yes" } else { "no" }.to_owned(),
                time(user, "created_at"),
                time(user, "last_sign_in_at"),
            ]
        }),
    )
}
