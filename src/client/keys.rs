//! `leakgate keys`: the key that tokens are encrypted under at rest.

use std::io::Write;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::config::limits;

use super::Io;
use super::api::{Answer, Api};
use super::failure::Failure;
use super::output::{OutputArgument, fields, number, text};

/// The key that tokens are encrypted under at rest.
#[derive(Args, Debug)]
pub struct Keys {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with it.
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What to do with the key.
#[derive(Subcommand, Debug)]
pub enum KeysAction {
    /// Encrypt everything under the next key, while the control plane goes on working. What was cut off
    /// goes on at the next start, or by the same command. The old key is not needed once this ends.
    Rotate,
    /// Which key is in use, and whether the one before it is still needed.
    Status,
}

pub(super) async fn run(keys: Keys, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let answer = match keys.action {
        KeysAction::Status => api.get("/keys", &[]).await?,
        KeysAction::Rotate => ended(api, io).await?,
    };
    keys.form.output.show(&answer, io.out, show)
}

/// Begins, and waits for the end.
async fn ended(api: &Api, io: &mut Io<'_>) -> Result<Answer, Failure> {
    let mut answer = api.send(Method::POST, "/keys/rotate", None).await?;
    loop {
        let state = answer.json()?;
        if !is_rotating(&state) {
            if io.draws {
                let _ = writeln!(io.err);
            }
            return Ok(answer);
        }
        if io.draws {
            let (done, all) = (number(&state, "resealed"), number(&state, "tokens"));
            let _ = write!(io.err, "\r{done} of {all} tokens");
            let _ = io.err.flush();
        }
        tokio::time::sleep(limits::CLIENT_POLL).await;
        answer = api.get("/keys", &[]).await?;
    }
}

fn is_rotating(state: &Value) -> bool {
    state.get("rotating").and_then(Value::as_bool).unwrap_or_default()
}

fn show(state: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let old =
        if is_rotating(state) { "still needed: a rotation is under way" } else { "not needed" };
    fields(
        out,
        &[
            ("generation", text(state, "generation")),
            ("key before it", old.to_owned()),
            ("tokens", text(state, "tokens")),
        ],
    )
}
