//! What is known of one token, and of one recorded request: `lookup`, `fingerprint`, `explain`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use serde_json::Value;
use zeroize::Zeroize;

use crate::model::secret::Secret;

use super::Io;
use super::api::{Answer, Api};
use super::failure::Failure;
use super::input::{read_request, read_token};
use super::leak_texts::secret_text;
use super::output::{Output, OutputArgument, fields, items, plain, table, text, time};

/// Whether a token is known, in which leaks, and when it was last used.
#[derive(Args, Debug)]
pub struct Lookup {
    /// `-`: the token, or its digest (`sha256:` and 64 hex digits), is read from standard input; or
    /// a file that holds it. Never the token itself.
    #[arg(value_name = "-|FILE")]
    pub from: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
}

/// The fingerprint of a token: what stands for it in events and logs.
#[derive(Args, Debug)]
pub struct Fingerprint {
    /// `-`: the token is read from standard input; or a file that holds it. Never the token itself.
    #[arg(value_name = "-|FILE")]
    pub from: PathBuf,
}

/// What would be decided about one recorded raw HTTP/1.1 request, where a token was found in it, and
/// by which patch. Nothing is recorded.
#[derive(Args, Debug)]
pub struct Explain {
    /// The request: line, header fields, empty line, body; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
}

pub(super) async fn lookup(lookup: Lookup, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let token = read_token(&lookup.from, io).await?;
    let answer = look_up(&token, api).await?;
    lookup.form.output.show(&answer, io.out, show_lookup)
}

pub(super) async fn fingerprint(
    fingerprint: Fingerprint,
    api: &Api,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let token = read_token(&fingerprint.from, io).await?;
    let known = look_up(&token, api).await?.json()?;
    show_fingerprint(&text(&known, "fingerprint"), io.out)
}

async fn look_up(token: &Secret, api: &Api) -> Result<Answer, Failure> {
    let name = if is_digest(token) { "digest" } else { "token" };
    let mut body = format!("{{\"{name}\":").into_bytes();
    secret_text(token, &mut body)?;
    body.push(b'}');
    api.json(Method::POST, "/tokens/lookup", body).await
}

/// Whether it is written as a digest, and not as the token itself.
pub(super) fn is_digest(token: &Secret) -> bool {
    let mut text = String::from_utf8_lossy(token.expose()).into_owned();
    let is = text.parse::<crate::model::token::TokenDigest>().is_ok();
    text.zeroize();
    is
}

pub(super) async fn explain(explain: Explain, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let mut request = read_request(&explain.file, io).await?;
    let call = api
        .request(Method::POST, "/explain", &[])
        .header(http::header::CONTENT_TYPE, "application/octet-stream")
        .body(std::mem::take(&mut *request));
    let answer = api.answer(call).await?;
    explain.form.output.show(&answer, io.out, show_decision)
}

fn show_lookup(lookup: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let known = lookup.get("known").and_then(Value::as_bool).unwrap_or_default();
    fields(
        out,
        &[
            ("known", if known { "yes" } else { "no" }.to_owned()),
            ("fingerprint", text(lookup, "fingerprint")),
            ("validity", text(lookup, "validity")),
            ("last used", time(lookup, "last_used_at")),
        ],
    )?;
    let leaks = items(lookup, "leaks");
    if leaks.is_empty() {
        return Ok(());
    }
    let names = ["id", "status", "remediation", "mode", "title"];
    writeln!(out)?;
    table(
        out,
        &["LEAK", "STATUS", "REMEDIATION", "MODE", "TITLE"],
        leaks.iter().map(|leak| names.iter().map(|name| text(leak, name)).collect()),
    )
}

/// Writes a fingerprint: its 12 hex digits and a line's end.
///
/// # Errors
/// Where it cannot be written.
pub fn show_fingerprint(fingerprint: &str, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}", plain(fingerprint))?;
    out.flush()?;
    Ok(())
}

/// Writes the answer of `POST /explain`, or the same made without a control plane.
///
/// # Errors
/// Where it cannot be written.
pub fn show_explanation(
    explanation: &Value,
    output: Output,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match output {
        Output::Json => writeln!(out, "{explanation}")?,
        Output::Table => show_decision(explanation, out)?,
    }
    out.flush()?;
    Ok(())
}

fn show_decision(explanation: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    fields(
        out,
        &[
            ("decision", text(explanation, "outcome")),
            ("status", text(explanation, "status")),
            ("because", text(explanation, "detail")),
            ("would refuse", text(explanation, "would_refuse")),
            ("patchset", text(explanation, "patchset_version")),
        ],
    )?;
    let hits = items(explanation, "hits");
    writeln!(out)?;
    if hits.is_empty() {
        return writeln!(out, "No leaked token was found in it.");
    }
    let names = ["fingerprint", "action", "point", "encodings", "leak", "virtual_patch"];
    table(
        out,
        &["TOKEN", "ACTION", "WHERE", "ENCODINGS", "LEAK", "PATCH"],
        hits.iter().map(|hit| names.iter().map(|name| text(hit, name)).collect()),
    )
}
