//! `leakgate import`: another scanner's report, streamed to the control plane.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use reqwest::{Body, Method, StatusCode};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use crate::config::limits;
use crate::model::leak::{Risk, SourceKind};
use crate::reports::Format;

use super::api::{Answer, Api};
use super::failure::{Exit, Failure};
use super::output::{OutputArgument, count, items, number, plain, text};
use super::{Io, input};

/// Register leaks from another scanner's report.
///
/// The valid part of the report is registered, the rest is listed with reasons. Tokens that are
/// known already become occurrences of the leaks that have them. Ends with 0 where something was
/// taken or there was nothing to take, else with 1.
#[derive(Args, Debug)]
pub struct Import {
    /// The report; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The form of the report; `auto` tells it from the beginning.
    #[arg(long, default_value = "auto", value_parser = formats())]
    pub format: String,
    /// The title of a list's leak; in other forms it stands before the title of each leak.
    #[arg(long)]
    pub title: Option<String>,
    /// The risk of all leaks, whatever the report says.
    #[arg(long, value_parser = risks())]
    pub risk: Option<String>,
    /// The kind of all sources, whatever the report says.
    #[arg(long, value_name = "KIND", value_parser = source_kinds())]
    pub source_kind: Option<String>,
    /// What is decided about the leaks that are made; needs the right to decide.
    #[arg(long, default_value = "none", value_parser = ["none", "monitoring", "block"])]
    pub decision: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
}

fn formats() -> PossibleValuesParser {
    let names = Format::ALL.iter().map(|format| format.name());
    PossibleValuesParser::new(["auto"].into_iter().chain(names))
}

pub(super) fn risks() -> PossibleValuesParser {
    PossibleValuesParser::new(Risk::ALL.iter().map(|risk| risk.name()))
}

pub(super) fn source_kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(SourceKind::ALL.iter().map(|kind| kind.name()))
}

pub(super) async fn run(import: Import, api: &Api, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let unreadable = |source| Failure::Read { what: import.file.display().to_string(), source };
    let report = input::open(&import.file, io).await.map_err(unreadable)?;
    let mut query = vec![("format", import.format), ("decision", import.decision)];
    let hints =
        [("title", import.title), ("risk", import.risk), ("source_kind", import.source_kind)];
    query.extend(hints.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let request = api
        .request(Method::POST, "/imports", &query)
        .header(http::header::CONTENT_TYPE, "application/octet-stream")
        .body(Body::wrap_stream(ReaderStream::with_capacity(report, limits::CLIENT_PIECE_BYTES)));
    let mut answer = api.unhurried(request).await?;
    if answer.status == StatusCode::ACCEPTED {
        answer = follow(&answer, api, io).await?;
    }
    let json = answer.json()?;
    let shown = import.form.output.show(&answer, io.out, show);
    match outcome(&json, io) {
        // Also where nobody reads the result.
        Exit::Failed => Ok(Exit::Failed),
        exit => shown.map(|()| exit),
    }
}

/// Waits for an import that goes on after its report was read.
async fn follow(first: &Answer, api: &Api, io: &mut Io<'_>) -> Result<Answer, Failure> {
    let path = format!("/imports/{}", text(&first.json()?, "id"));
    let mut pause = limits::CLIENT_POLL;
    let mut failed = 0;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(limits::CLIENT_POLL_LONGEST);
        let answer = match api.get(&path, &[]).await {
            Ok(answer) => answer,
            Err(Failure::Unreachable { .. } | Failure::Broken { .. })
                if failed < limits::CLIENT_POLL_FAILURES =>
            {
                failed += 1;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        failed = 0;
        let import = answer.json()?;
        let running = text(&import, "status") == "running";
        if io.draws {
            let taken = number(&import, "tokens") + number(&import, "merged");
            let _ = write!(io.err, "\r{} taken", count(taken, "token"));
            let _ = if running { io.err.flush() } else { writeln!(io.err) };
        }
        if !running {
            return Ok(answer);
        }
    }
}

fn show(import: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let (leaks, tokens) = (number(import, "leaks"), number(import, "tokens"));
    let (merged, refused) = (number(import, "merged"), number(import, "refused_count"));
    if leaks + tokens > 0 {
        writeln!(out, "Registered {} with {}.", count(leaks, "leak"), count(tokens, "new token"))?;
    } else if merged + refused > 0 {
        writeln!(out, "Nothing new was registered.")?;
    } else {
        writeln!(out, "The report holds no findings.")?;
    }
    if merged > 0 {
        writeln!(
            out,
            "Known already: {}; the leaks that have them got an occurrence.",
            count(merged, "token")
        )?;
    }
    let unpatched = items(import, "unpatched");
    reasons(
        out,
        "Registered, but no virtual patch could be applied to:",
        unpatched.len() as u64,
        unpatched,
    )?;
    reasons(out, "Not taken:", refused, items(import, "refused"))?;
    if leaks > 0 {
        writeln!(out, "See them with: leakgate leaks list --status open")?;
    }
    Ok(())
}

fn reasons(out: &mut dyn Write, head: &str, all: u64, listed: &[Value]) -> std::io::Result<()> {
    if all == 0 {
        return Ok(());
    }
    writeln!(out, "{head} {}", count(all, "item"))?;
    for item in listed {
        writeln!(out, "  line or item {}: {}", number(item, "line"), text(item, "reason"))?;
    }
    let rest = all.saturating_sub(listed.len() as u64);
    if rest > 0 {
        writeln!(out, "  and {rest} more")?;
    }
    Ok(())
}

/// What the import came to as an exit code. Of one that broke off, the reason is said.
fn outcome(import: &Value, io: &mut Io<'_>) -> Exit {
    if text(import, "status") == "failed" {
        let why = import.get("problem").and_then(|problem| problem.get("detail")?.as_str());
        let why = plain(why.unwrap_or("the log of the control plane says why"));
        let _ = writeln!(
            io.err,
            "leakgate: the import broke off; what was registered until then stays, and the report \
             can be imported again: {why}"
        );
        return Exit::Failed;
    }
    let taken = ["leaks", "tokens", "merged"].map(|name| number(import, name)).iter().sum::<u64>();
    if taken == 0 && number(import, "refused_count") > 0 { Exit::Failed } else { Exit::Done }
}
