//! `leakgate events`: uses of leaked tokens.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;

use crate::model::clock;
use crate::model::event::EventAction;

use super::api::Api;
use super::failure::Failure;
use super::leaks::{leak_id, token_id};
use super::output::{OutputArgument, items, next_page, table, text, time};
use super::{Io, follow, when};

/// Uses of leaked tokens.
#[derive(Args, Debug)]
pub struct Events {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with them.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with events.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// List them, newest first.
    List {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Events at most: 50 where it is not said, never more than 200.
        #[arg(long)]
        limit: Option<u32>,
        /// Where the page before ended.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show them as they happen, one a line, until interrupted.
    Follow {
        /// Which.
        #[command(flatten)]
        which: Which,
    },
    /// Write all of them to standard output, newest first.
    Export {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// The form of the export.
        #[arg(long, default_value = "ndjson", value_parser = ["ndjson", "csv"])]
        format: String,
    },
}

/// Which events; what is not said does not narrow.
#[derive(Args, Debug, Default)]
pub struct Which {
    /// Of this leak.
    #[arg(long, value_name = "ID")]
    pub leak: Option<String>,
    /// Of this token, by its id.
    #[arg(long, value_name = "ID")]
    pub token: Option<String>,
    /// With any of these actions.
    #[arg(long, value_delimiter = ',', value_parser = actions())]
    pub action: Vec<String>,
    /// From this client.
    #[arg(long, value_name = "ADDRESS")]
    pub source_ip: Option<String>,
    /// For this host.
    #[arg(long)]
    pub host: Option<String>,
    /// At this time or later: a time, or a time ago such as 1h.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

fn actions() -> PossibleValuesParser {
    PossibleValuesParser::new(EventAction::ALL.iter().map(|action| action.name()))
}

impl Which {
    fn query(self, now: Timestamp) -> Result<Vec<(&'static str, String)>, Failure> {
        let time = |argument, time: Option<String>| {
            let time = time.map(|time| when::ago(argument, &time, now)).transpose()?;
            Ok::<_, Failure>(time.map(|time| time.to_string()))
        };
        let action = (!self.action.is_empty()).then(|| self.action.join(","));
        let query = [
            ("leak", self.leak.map(|id| leak_id(&id)).transpose()?.map(|id| id.to_string())),
            ("token", self.token.map(|id| token_id(&id)).transpose()?.map(|id| id.to_string())),
            ("action", action),
            ("source_ip", self.source_ip),
            ("host", self.host),
            ("from", time("--from", self.from)?),
            ("to", time("--to", self.to)?),
        ];
        Ok(query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

pub(super) async fn run(events: Events, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let now = clock::now();
    match events.action {
        Action::List { which, limit, cursor } => {
            let mut query = which.query(now)?;
            query.extend(limit.map(|limit| ("limit", limit.to_string())));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let answer = api.get("/events", &query).await?;
            events.form.output.show(&answer, io.out, list)?;
            next_page(&answer.json()?, io.err);
            Ok(())
        }
        Action::Follow { which } => {
            let query = which.query(now)?;
            follow::run(&query, events.form.output, api, io).await
        }
        Action::Export { which, format } => {
            let mut query = which.query(now)?;
            query.push(("format", format));
            let request = api.request(Method::GET, "/events/export", &query);
            let mut response = api.open(request).await?;
            while let Some(piece) = response.chunk().await.map_err(|error| api.broken(error))? {
                io.out.write_all(&piece)?;
            }
            io.out.flush()?;
            Ok(())
        }
    }
}

fn list(page: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let events = items(page, "items");
    if events.is_empty() {
        return writeln!(out, "No events.");
    }
    table(
        out,
        &["AT", "ACTION", "TOKEN", "CLIENT", "METHOD", "HOST", "WHERE", "STATUS", "USES", "LEAK"],
        events.iter().map(|event| {
            let names = ["action", "fingerprint", "source_ip", "method", "host", "point"];
            let more = ["response_status", "count", "leak"];
            let cells = names.iter().chain(&more).map(|name| text(event, name));
            [time(event, "at")].into_iter().chain(cells).collect()
        }),
    )
}
