//! `leakgate bypass`: the switch that stops all blocking.

use std::io::Write;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::clock;

use super::api::Api;
use super::failure::Failure;
use super::output::{OutputArgument, fields, text, time};
use super::{Io, when};

/// The switch that stops all blocking, at once and loudly.
#[derive(Args, Debug)]
pub struct Bypass {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with it.
    #[command(subcommand)]
    pub action: Turn,
}

/// What to do with the switch.
#[derive(Subcommand, Debug)]
pub enum Turn {
    /// Let everything pass; uses of leaked tokens are still recorded.
    On {
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// For how long, such as 1h; without it until it is turned off.
        #[arg(long = "for", value_name = "TIME")]
        time: Option<String>,
    },
    /// Block again.
    Off {
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// How it stands.
    Status,
}

pub(super) async fn run(bypass: Bypass, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let answer = match bypass.action {
        Turn::Status => api.get("/bypass", &[]).await?,
        Turn::On { reason, time } => {
            let until =
                time.map(|time| when::from_now("--for", &time, clock::now())).transpose()?;
            let body = json!({ "on": true, "reason": reason, "expires_at": until });
            api.send(Method::PUT, "/bypass", Some(&body)).await?
        }
        Turn::Off { reason } => {
            let body = json!({ "on": false, "reason": reason });
            api.send(Method::PUT, "/bypass", Some(&body)).await?
        }
    };
    bypass.form.output.show(&answer, io.out, show)
}

fn show(bypass: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let on = bypass.get("on").and_then(Value::as_bool).unwrap_or_default();
    let everywhere = bypass.get("everywhere").and_then(Value::as_bool).unwrap_or_default();
    let state = match (on, everywhere) {
        (true, _) => "ON: nothing is blocked",
        (false, true) => "off, but ON for the whole installation: nothing is blocked",
        (false, false) => "off: rules act as they are",
    };
    fields(
        out,
        &[
            ("bypass", state.to_owned()),
            ("tenant", text(bypass, "tenant")),
            ("reason", text(bypass, "reason")),
            ("until", time(bypass, "expires_at")),
            ("turned by", text(bypass, "changed_by")),
            ("at", time(bypass, "changed_at")),
        ],
    )
}
