//! `leakgate api-tokens`: credentials at the control plane's API.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::clock;
use crate::model::ids::ApiTokenId;
use crate::model::role::Role;

use super::api::Api;
use super::failure::Failure;
use super::output::{Output, OutputArgument, items, table, text, time};
use super::{Io, when};

/// The credentials of scripts, scanners and people at the control plane's API.
#[derive(Args, Debug)]
pub struct ApiTokens {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with them.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with API tokens.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Make one. Standard output gets its text, which is never shown again.
    Create {
        /// Its name: what history and audit show.
        name: String,
        /// What it may do.
        #[arg(long, value_parser = roles())]
        role: String,
        /// When it ends: a time, or a time from now such as 90d.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List them, without their texts.
    List,
    /// Revoke one: it stops working at once.
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
    },
}

fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.map(Role::name))
}

pub(super) async fn run(tokens: ApiTokens, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let output = tokens.form.output;
    match tokens.action {
        Action::List => {
            let answer = api.get("/api-tokens", &[]).await?;
            output.show(&answer, io.out, list)
        }
        Action::Create { name, role, expires } => {
            let expires =
                expires.map(|time| when::from_now("--expires", &time, clock::now())).transpose()?;
            let body = json!({ "name": name, "role": role, "expires_at": expires });
            let answer = api.send(Method::POST, "/api-tokens", Some(&body)).await?;
            let made = answer.json()?;
            if output == Output::Table {
                let _ = writeln!(
                    io.err,
                    "API token {} ({}), id {}. This is the only time that it is shown:",
                    text(&made, "name"),
                    text(&made, "role"),
                    text(&made, "id")
                );
            }
            output.show(&answer, io.out, |made, out| writeln!(out, "{}", text(made, "token")))
        }
        Action::Revoke { id } => {
            let id: ApiTokenId = id.parse().map_err(|_| {
                Failure::Usage(
                    "that is not the id of an API token: `leakgate api-tokens list` shows them"
                        .to_owned(),
                )
            })?;
            api.send(Method::DELETE, &format!("/api-tokens/{id}"), None).await?;
            if output == Output::Table {
                writeln!(io.out, "Revoked.")?;
            }
            Ok(())
        }
    }
}

fn list(tokens: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    table(
        out,
        &["ID", "NAME", "ROLE", "MADE", "ENDS", "LAST USED", "REVOKED"],
        items(tokens, "items").iter().map(|token| {
            vec![
                text(token, "id"),
                text(token, "name"),
                text(token, "role"),
                time(token, "created_at"),
                time(token, "expires_at"),
                time(token, "last_used_at"),
                time(token, "revoked_at"),
            ]
        }),
    )
}
