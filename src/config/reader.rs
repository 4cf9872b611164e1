//! Reads typed values out of a TOML table, and collects every mistake instead of ending at the
//! first.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use toml::{Table, Value};

/// One thing that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The key, written with dots, such as `gateway.hold.limit`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// One table of the configuration. Each key is taken by the reader that knows it; what is left at
/// the end is unknown.
pub(super) struct Reader {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    pub(super) fn new(path: impl Into<String>, table: Table) -> Self {
        Self { path: path.into(), table, known: Vec::new(), mistakes: Vec::new() }
    }

    /// The full name of a key of this table.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether the key is there and has not been taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub(super) fn mistake(&mut self, name: &str, problem: impl Into<String>) {
        let key = self.key(name);
        self.mistakes.push(Mistake { key, problem: problem.into() });
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.table.remove(name)
    }

    fn wrong_type(&mut self, name: &str, wanted: &str, got: &Value) {
        self.mistake(name, format!("must be {wanted}, but is of type {}", got.type_str()));
    }

    /// A value written as a string (or a number), parsed by its type.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Option<T> {
        let text = match self.take(name)? {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            other => {
                self.wrong_type(name, wanted, &other);
                return None;
            }
        };
        self.parse(name, &text, wanted)
    }

    fn parse<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        text: &str,
        wanted: &str,
    ) -> Option<T> {
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(name, format!("must be {wanted}, but is {text:?}: {error}"));
                None
            }
        }
    }

    /// A list; a string stands for its parts between commas, as environment variables have it.
    pub(super) fn list<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Option<Vec<T>> {
        let texts: Vec<String> = match self.take(name)? {
            Value::String(text) => text
                .split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect(),
            Value::Array(values) => {
                let mut texts = Vec::with_capacity(values.len());
                for value in values {
                    match value {
                        Value::String(text) => texts.push(text),
                        Value::Integer(number) => texts.push(number.to_string()),
                        other => self.wrong_type(name, &format!("a list of {wanted}"), &other),
                    }
                }
                texts
            }
            other => {
                self.wrong_type(name, &format!("a list of {wanted}"), &other);
                return None;
            }
        };
        Some(texts.iter().filter_map(|text| self.parse(name, text, wanted)).collect())
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Boolean(value) => Some(value),
            Value::String(text) if text == "true" => Some(true),
            Value::String(text) if text == "false" => Some(false),
            other => {
                self.wrong_type(name, "true or false", &other);
                None
            }
        }
    }

    /// A whole number inside `range`.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let value: u64 = self.parsed(name, &wanted)?;
        if range.contains(&value) {
            return Some(value);
        }
        self.mistake(name, format!("must be {wanted}, but is {value}"));
        None
    }

    /// A number of bytes: a whole number, or a string with the unit `KiB`, `MiB` or `GiB`.
    pub(super) fn bytes(&mut self, name: &'static str, max: usize) -> Option<usize> {
        let wanted = "a number of bytes, such as 65536 or \"64KiB\"";
        let text: String = self.parsed(name, wanted)?;
        let (digits, unit) = match text.trim() {
            t if t.ends_with("KiB") => (t.trim_end_matches("KiB"), 1024),
            t if t.ends_with("MiB") => (t.trim_end_matches("MiB"), 1024 * 1024),
            t if t.ends_with("GiB") => (t.trim_end_matches("GiB"), 1024 * 1024 * 1024),
            t => (t, 1),
        };
        match digits.trim().parse::<usize>().ok().and_then(|n| n.checked_mul(unit)) {
            Some(value) if value <= max => Some(value),
            Some(value) => {
                self.mistake(name, format!("must be at most {max} bytes, but is {value}"));
                None
            }
            None => {
                self.mistake(name, format!("must be {wanted}, but is {text:?}"));
                None
            }
        }
    }

    /// A share from 0 to 1, in millionths.
    pub(super) fn millionths(&mut self, name: &'static str) -> Option<u32> {
        let wanted = "a share from 0 to 1, such as 0.01";
        let share = match self.take(name)? {
            Value::Float(share) => share,
            Value::Integer(share) => share as f64,
            Value::String(text) => self.parse(name, &text, wanted)?,
            other => {
                self.wrong_type(name, wanted, &other);
                return None;
            }
        };
        if (0.0..=1.0).contains(&share) {
            return Some((share * 1e6).round() as u32);
        }
        self.mistake(name, format!("must be {wanted}, but is {share}"));
        None
    }

    /// A length of time above zero, written such as `20ms`, `5s` or `1m 30s`.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let wanted = "a length of time, such as \"20ms\" or \"5s\"";
        let value: SignedDuration = self.parsed(name, wanted)?;
        match Duration::try_from(value) {
            Ok(value) if !value.is_zero() => Some(value),
            _ => {
                self.mistake(name, "must be longer than zero");
                None
            }
        }
    }

    /// One of a fixed set of names.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let names: Vec<&str> = choices.iter().map(|(text, _)| *text).collect();
        let wanted = format!("one of {}", names.join(", "));
        let text: String = self.parsed(name, &wanted)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = nearest(&text, &names);
            self.mistake(name, format!("must be {wanted}, but is {text:?}{hint}"));
        }
        found
    }

    /// A table inside this one, read by `read`; absent, it is read as empty.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let table = match self.take(name) {
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.wrong_type(name, "a table", &other);
                Table::new()
            }
            None => Table::new(),
        };
        let mut inner = Self::new(self.key(name), table);
        let value = read(&mut inner);
        self.mistakes.extend(inner.finish());
        value
    }

    /// A list of tables inside this one, each read by `read`.
    pub(super) fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = match self.take(name)? {
            Value::Array(values) => values,
            other => {
                self.wrong_type(name, "a list of tables", &other);
                return None;
            }
        };
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let Value::Table(table) = value else {
                self.wrong_type(name, "a list of tables", &value);
                continue;
            };
            let mut inner = Self::new(format!("{}[{index}]", self.key(name)), table);
            items.extend(read(&mut inner));
            self.mistakes.extend(inner.finish());
        }
        Some(items)
    }

    /// All mistakes of this table, with the keys that nobody knew.
    pub(super) fn finish(mut self) -> Vec<Mistake> {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for name in unknown {
            let hint = nearest(&name, &self.known);
            self.mistake(&name, format!("unknown key{hint}"));
        }
        self.mistakes
    }
}

/// `; did you mean …?` where one of the names is near enough, else which names there are.
pub(super) fn nearest(text: &str, names: &[&str]) -> String {
    let best = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&text.to_lowercase(), name), *name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, name)) if score > 0.75 => format!("; did you mean {name}?"),
        Some(_) => format!("; known here: {}", names.join(", ")),
        None => String::new(),
    }
}
