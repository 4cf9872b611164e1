//! How results are shown: tables for people, the API's own JSON for programs.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::Value;

use super::api::Answer;
use super::failure::Failure;
use super::tenants::tenant_id;

/// The form of a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// Exactly as the API answered.
    Json,
}

/// `--output` and `--tenant`, which every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArgument {
    /// The form of the result: `table` for people, `json` exactly as the API answers.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
    /// Keeps to one tenant: what is listed, looked for or made is that one's. For roles over all
    /// tenants.
    #[arg(long, global = true, value_name = "ID", value_parser = tenant_id)]
    pub tenant: Option<String>,
}

impl Output {
    /// Writes the answer as it is, or what `table` makes of it.
    pub(super) fn show(
        self,
        answer: &Answer,
        out: &mut dyn Write,
        table: impl FnOnce(&Value, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match self {
            Self::Json => writeln!(out, "{}", answer.text.trim_end())?,
            Self::Table => table(&answer.json()?, out)?,
        }
        out.flush()?;
        Ok(())
    }
}

/// Writes rows under headers, in columns and without lines or colours.
pub(super) fn table(
    out: &mut dyn Write,
    headers: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut table = columns();
    table.set_header(headers);
    table.add_rows(rows);
    write_table(out, &mut table)
}

/// Writes names and values, without those that have no value.
pub(super) fn fields(out: &mut dyn Write, fields: &[(&str, String)]) -> io::Result<()> {
    let mut table = columns();
    let there = fields.iter().filter(|(_, value)| !value.is_empty() && value != NOTHING);
    table.add_rows(there.map(|(name, value)| vec![(*name).to_owned(), value.clone()]));
    write_table(out, &mut table)
}

fn columns() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.force_no_tty();
    table
}

fn write_table(out: &mut dyn Write, table: &mut Table) -> io::Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    writeln!(out, "{}", table.trim_fmt())
}

/// Stands where there is no value.
pub(super) const NOTHING: &str = "–";

/// A field of an answer as text; [`NOTHING`] where it is absent or null.
pub(super) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => plain(text),
        Some(Value::Array(items)) if !items.is_empty() => {
            let items: Vec<String> =
                items.iter().filter_map(|item| item.as_str().map(plain)).collect();
            items.join(" ")
        }
        None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => NOTHING.to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A number of an answer; 0 where it is none.
pub(super) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A time of an answer, to the second.
pub(super) fn time(value: &Value, name: &str) -> String {
    let text = text(value, name);
    match text.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => text,
    }
}

/// The elements of a list in an answer.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Text from afar without what would act on the terminal: a client can choose its user agent, and
/// a scanned repository its file names.
pub(super) fn plain(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if acts(c) { '?' } else { c }).collect()
}

/// Says how to get the next page.
pub(super) fn next_page(answer: &Value, err: &mut dyn Write) {
    if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
        if let Some(at) = answer.get("searched_to").and_then(Value::as_str) {
            let _ = writeln!(err, "Looked back to {} so far.", plain(at));
        }
        let _ = writeln!(err, "There is more: add --cursor {}", plain(cursor));
    }
}

/// `1 leak`, `2 leaks`.
pub(super) fn count(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}
