//! `leakgate four-eyes`: whether two persons decide about what blocks.

use std::io::Write;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Io;
use super::api::Api;
use super::failure::Failure;
use super::output::{OutputArgument, text};
use super::show;

/// Whether two persons decide about what blocks, and about what weakens a block.
#[derive(Args, Debug)]
pub struct FourEyes {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// How it is to be.
    #[command(subcommand)]
    pub action: Turn,
}

/// How it is to be.
#[derive(Subcommand, Debug)]
pub enum Turn {
    /// Two persons decide from now on.
    On,
    /// One is enough again: another person has to approve that.
    Off {
        /// Why.
        #[arg(long)]
        comment: Option<String>,
    },
    /// How it is.
    Status,
}

pub(super) async fn run(setting: FourEyes, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let answer = match setting.action {
        Turn::Status => api.get("/four-eyes", &[]).await?,
        Turn::On => api.send(Method::PUT, "/four-eyes", Some(&json!({ "on": true }))).await?,
        Turn::Off { comment } => {
            let body = json!({ "on": false, "comment": comment });
            api.send(Method::PUT, "/four-eyes", Some(&body)).await?
        }
    };
    setting.form.output.show(&answer, io.out, shown)
}

fn shown(setting: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    if setting.get("proposed_by").is_some() {
        return show::decided(setting, out);
    }
    let on = setting.get("on").and_then(Value::as_bool).unwrap_or_default();
    let state = if on { "on: two persons decide" } else { "off: one person decides" };
    writeln!(out, "Four eyes of {} are {state} about what blocks.", text(setting, "tenant"))
}
