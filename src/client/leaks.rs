//! `leakgate leaks`: list, show, register and decide.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::config::limits;
use crate::model::clock;
use crate::model::ids::{LeakId, ProposalId, TokenId};
use crate::model::leak::{DetectedBy, Remediation, Resolution, Status};
use crate::model::proposal::ProposalState;
use crate::model::rule::TokenMode;

use super::api::{Answer, Api};
use super::failure::Failure;
use super::import::{risks, source_kinds};
use super::input::read_tokens;
use super::leak_texts::{LeakTexts, with_tokens};
use super::output::{Output, OutputArgument, next_page};
use super::{Io, show, when};

/// List, show, register and decide about leaks.
#[derive(Args, Debug)]
pub struct Leaks {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with them.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with leaks.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// List leaks.
    List(List),
    /// Show a leak.
    Show(One),
    /// Register a leak. Its tokens are read from a file or standard input, one a line.
    Add(Add),
    /// Change a leak's texts, risk or source, and add or remove tokens.
    Edit(Edit),
    /// Apply a virtual patch to a leak, or put this one in the place of that in force.
    Patch(Patch),
    /// Remove a leak's virtual patch; its tokens are watched on.
    Unpatch(Said),
    /// Close a leak: its rule goes, nothing is deleted.
    Close(Resolved),
    /// Open a closed or falsely marked leak again, without a virtual patch.
    Reopen(Said),
    /// Mark a leak as false: its rule goes and its tokens are not watched.
    MarkFalse(Resolved),
    /// Who decided what about a leak, and when.
    History(One),
    /// What was said about a leak.
    Comments(One),
    /// Say something about a leak.
    Comment {
        /// The leak's id.
        id: String,
        /// What to say.
        text: String,
    },
    /// All tokens of a leak, without their text.
    Tokens {
        /// The leak's id.
        id: String,
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
    /// What a virtual patch on a leak would do: recent uses of its tokens.
    Impact(One),
    /// What waits for another person to approve it.
    Proposals(Waiting),
    /// Approve what another person proposes: it is done at once.
    Approve(Settle),
    /// Reject a proposal, or take one's own back.
    Reject(Settle),
    /// What was done in haste and waits for another person to acknowledge it.
    Reviews(Waiting),
    /// Acknowledge what another person has done in haste.
    Acknowledge(Settle),
}

/// Which page of a list.
#[derive(Args, Debug, Default)]
pub struct Page {
    /// Items at most: 50 where it is not said, never more than 200.
    #[arg(long)]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[arg(long)]
    pub cursor: Option<String>,
}

impl Page {
    fn query(self) -> Vec<(&'static str, String)> {
        let limit = self.limit.map(|limit| ("limit", limit.to_string()));
        limit.into_iter().chain(self.cursor.map(|cursor| ("cursor", cursor))).collect()
    }
}

/// One leak.
#[derive(Args, Debug)]
pub struct One {
    /// The leak's id.
    pub id: String,
}

/// Which leaks, in which order. Of several values of one option any may fit.
#[derive(Args, Debug, Default)]
pub struct List {
    /// Statuses.
    #[arg(long, value_delimiter = ',', value_parser = named(Status::ALL, Status::name))]
    pub status: Vec<String>,
    /// Risk levels.
    #[arg(long, value_delimiter = ',', value_parser = risks())]
    pub risk: Vec<String>,
    /// Kinds of source.
    #[arg(long, value_delimiter = ',', value_parser = source_kinds())]
    pub source: Vec<String>,
    /// What is in force.
    #[arg(long, value_delimiter = ',', value_parser = named(Remediation::ALL, Remediation::name))]
    pub remediation: Vec<String>,
    /// How it came to be known.
    #[arg(long, value_delimiter = ',', value_parser = named(DetectedBy::ALL, DetectedBy::name))]
    pub detected_by: Vec<String>,
    /// Validity of any of its tokens.
    #[arg(long, value_delimiter = ',', value_parser = ["active", "inactive", "unknown"])]
    pub validity: Vec<String>,
    /// Words of title, sources and comments, each by its beginning; or that of a token's fingerprint.
    #[arg(long = "text", short = 'q')]
    pub text: Option<String>,
    /// created_at, updated_at, risk, status or title, with - before it to turn the order around.
    #[arg(long, allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
}

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> PossibleValuesParser {
    PossibleValuesParser::new(all.iter().map(|&value| name(value)))
}

impl List {
    fn query(self) -> Vec<(&'static str, String)> {
        let lists = [
            ("status", self.status),
            ("risk", self.risk),
            ("source", self.source),
            ("remediation", self.remediation),
            ("detected_by", self.detected_by),
            ("validity", self.validity),
        ];
        let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
        let mut query: Vec<_> = lists.map(|(name, values)| (name, values.join(","))).collect();
        query.extend(self.text.map(|text| ("q", text)));
        query.extend(self.sort.map(|sort| ("sort", sort)));
        query.extend(self.page.query());
        query
    }
}

/// A leak to register.
#[derive(Args, Debug)]
pub struct Add {
    /// The tokens, or digests written sha256: and 64 hex digits, one a line; `-` for standard
    /// input. Never a token itself.
    #[arg(value_name = "FILE", default_value = "-")]
    pub from: PathBuf,
    /// What people will call it.
    #[arg(long)]
    pub title: String,
    /// What else can be said of it.
    #[command(flatten)]
    pub texts: LeakTexts,
}

/// Changes to a leak; what is not said stays.
#[derive(Args, Debug)]
pub struct Edit {
    /// The leak's id.
    pub id: String,
    /// New title.
    #[arg(long)]
    pub title: Option<String>,
    /// What else is to change.
    #[command(flatten)]
    pub texts: LeakTexts,
    /// Fields to empty.
    #[arg(long, value_delimiter = ',', value_parser = ["owner", "contact", "comment"])]
    pub clear: Vec<String>,
    /// A file of tokens to add, one a line; `-` for standard input. Never a token itself.
    #[arg(long, value_name = "FILE")]
    pub add_tokens: Option<PathBuf>,
    /// A token to remove, by its id.
    #[arg(long, value_name = "ID")]
    pub remove_token: Vec<String>,
}

/// A virtual patch. What is not said of its scope does not narrow it, so without any it acts
/// everywhere.
#[derive(Args, Debug)]
pub struct Patch {
    /// The leak's id.
    pub id: String,
    /// What it does.
    #[arg(long, default_value = "block", value_parser = ["block", "monitoring"])]
    pub mode: String,
    /// Only for this host; `*.example.com` for all below.
    #[arg(long, value_delimiter = ',')]
    pub host: Vec<String>,
    /// Only for paths that begin so.
    #[arg(long, value_delimiter = ',')]
    pub path_prefix: Vec<String>,
    /// Only for this method.
    #[arg(long, value_delimiter = ',')]
    pub method: Vec<String>,
    /// A client that is spared: an address, a network, or `cert:` and a certificate's name; until a
    /// time, or a time from now such as 7d.
    #[arg(long, value_name = "CLIENT[=UNTIL]")]
    pub except: Vec<String>,
    /// Where in a text its tokens count as found: `auto` takes those under 16 bytes only where they
    /// are not part of a longer run of token characters, `delimited` takes all only there.
    #[arg(long, default_value = "auto", value_parser = ["auto", "anywhere", "delimited"])]
    pub boundary: String,
    /// When it ends by itself: a time, or a time from now such as 30d.
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// The mode of one token, by its id, where it is not that of the patch: block, monitoring or none.
    #[arg(long = "token", value_name = "ID=MODE")]
    pub tokens: Vec<String>,
    /// Override the guard against rules that could block honest traffic.
    #[arg(long)]
    pub force: bool,
    /// Why it cannot wait for another person, where two decide.
    #[arg(long, value_name = "REASON")]
    pub break_glass: Option<String>,
    /// What is to be said with it.
    #[arg(long)]
    pub comment: Option<String>,
}

/// A leak and what is said with a decision about it.
#[derive(Args, Debug)]
pub struct Said {
    /// The leak's id.
    pub id: String,
    /// What is to be said with it.
    #[arg(long)]
    pub comment: Option<String>,
    /// Why it cannot wait for another person, where two decide.
    #[arg(long, value_name = "REASON")]
    pub break_glass: Option<String>,
}

/// The same, with the reason.
#[derive(Args, Debug)]
pub struct Resolved {
    /// The leak's id.
    pub id: String,
    /// Why.
    #[arg(long, value_parser = named(Resolution::ALL, Resolution::name))]
    pub resolution: Option<String>,
    /// What is to be said with it.
    #[arg(long)]
    pub comment: Option<String>,
    /// Why it cannot wait for another person, where two decide.
    #[arg(long, value_name = "REASON")]
    pub break_glass: Option<String>,
}

/// Which proposals or reviews.
#[derive(Args, Debug)]
pub struct Waiting {
    /// How far they are; those that wait where it is not said.
    #[arg(long, value_delimiter = ',', value_parser = named(ProposalState::ALL, ProposalState::name))]
    pub state: Vec<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
}

impl Waiting {
    fn query(self) -> Vec<(&'static str, String)> {
        let state = (!self.state.is_empty()).then(|| ("state", self.state.join(",")));
        state.into_iter().chain(self.page.query()).collect()
    }
}

/// A proposal or a review, and what is said to it.
#[derive(Args, Debug)]
pub struct Settle {
    /// Its id.
    pub id: String,
    /// What is to be said to it.
    #[arg(long)]
    pub comment: Option<String>,
}

/// The id of a leak. What was given instead is not repeated: it may be a token.
pub(super) fn leak_id(text: &str) -> Result<LeakId, Failure> {
    text.parse().map_err(|_| {
        Failure::Usage("that is not the id of a leak: `leakgate leaks list` shows them".to_owned())
    })
}

/// The id of a token.
pub(super) fn token_id(text: &str) -> Result<TokenId, Failure> {
    text.parse().map_err(|_| {
        Failure::Usage(
            "that is not the id of a token: `leakgate leaks tokens ID` shows them".to_owned(),
        )
    })
}

pub(super) async fn run(leaks: Leaks, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let output = leaks.form.output;
    match leaks.action {
        Action::List(list) => {
            let answer = api.get("/leaks", &list.query()).await?;
            output.show(&answer, io.out, show::list)?;
            more(&answer, io)
        }
        Action::Show(one) => {
            let answer = read(api, &one.id, "").await?;
            output.show(&answer, io.out, show::leak)
        }
        Action::Add(new) => add(new, output, api, io).await,
        Action::Edit(change) => edit(change, output, api, io).await,
        Action::Patch(patch) => {
            let id = leak_id(&patch.id)?;
            let path = format!("/leaks/{id}/virtual-patch");
            let answer = api.send(Method::POST, &path, Some(&patch_body(patch)?)).await?;
            output.show(&answer, io.out, show::decided)
        }
        Action::Unpatch(said) => {
            decide(Method::DELETE, "virtual-patch", said.into(), output, api, io).await
        }
        Action::Reopen(said) => decide(Method::POST, "reopen", said.into(), output, api, io).await,
        Action::Close(resolved) => decide(Method::POST, "close", resolved, output, api, io).await,
        Action::MarkFalse(resolved) => {
            decide(Method::POST, "mark-false", resolved, output, api, io).await
        }
        Action::History(one) => {
            let answer = read(api, &one.id, "/history").await?;
            output.show(&answer, io.out, show::history)
        }
        Action::Comments(one) => {
            let answer = read(api, &one.id, "/comments").await?;
            output.show(&answer, io.out, show::comments)
        }
        Action::Comment { id, text } => {
            let path = format!("/leaks/{}/comments", leak_id(&id)?);
            let answer = api.send(Method::POST, &path, Some(&json!({ "text": text }))).await?;
            output.show(&answer, io.out, |_, out| writeln!(out, "Said."))
        }
        Action::Tokens { id, page } => {
            let path = format!("/leaks/{}/tokens", leak_id(&id)?);
            let answer = api.get(&path, &page.query()).await?;
            output.show(&answer, io.out, |page, out| show::tokens(page, "items", out))?;
            more(&answer, io)
        }
        Action::Impact(one) => {
            let answer = read(api, &one.id, "/impact").await?;
            output.show(&answer, io.out, show::impact)
        }
        Action::Proposals(waiting) => {
            let answer = api.get("/proposals", &waiting.query()).await?;
            output.show(&answer, io.out, show::proposals)?;
            more(&answer, io)
        }
        Action::Reviews(waiting) => {
            let answer = api.get("/reviews", &waiting.query()).await?;
            output.show(&answer, io.out, show::proposals)?;
            more(&answer, io)
        }
        Action::Approve(said) => settle(said, ("proposals", "approve"), output, api, io).await,
        Action::Reject(said) => settle(said, ("proposals", "reject"), output, api, io).await,
        Action::Acknowledge(said) => {
            settle(said, ("reviews", "acknowledge"), output, api, io).await
        }
    }
}

fn more(answer: &Answer, io: &mut Io<'_>) -> Result<(), Failure> {
    next_page(&answer.json()?, io.err);
    Ok(())
}

async fn read(api: &Api, id: &str, part: &str) -> Result<Answer, Failure> {
    api.get(&format!("/leaks/{}{part}", leak_id(id)?), &[]).await
}

impl From<Said> for Resolved {
    fn from(said: Said) -> Self {
        let Said { id, comment, break_glass } = said;
        Self { id, resolution: None, comment, break_glass }
    }
}

async fn decide(
    method: Method,
    decision: &str,
    said: Resolved,
    output: Output,
    api: &Api,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let path = format!("/leaks/{}/{decision}", leak_id(&said.id)?);
    let texts = [
        ("resolution", said.resolution),
        ("comment", said.comment),
        ("break_glass", said.break_glass),
    ];
    let there = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
    let body = Value::Object(there.collect());
    let answer = api.send(method, &path, Some(&body)).await?;
    output.show(&answer, io.out, show::decided)
}

async fn settle(
    said: Settle,
    (what, verdict): (&str, &str),
    output: Output,
    api: &Api,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let id: ProposalId = said.id.parse().map_err(|_| {
        Failure::Usage(format!("that is no id of them: `leakgate leaks {what}` shows them"))
    })?;
    let body = said.comment.map(|comment| json!({ "comment": comment }));
    let path = format!("/{what}/{id}/{verdict}");
    let answer = api.send(Method::POST, &path, body.as_ref()).await?;
    output.show(&answer, io.out, show::settled)
}

async fn add(new: Add, output: Output, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let what = "the tokens, one a line";
    let tokens = read_tokens(&new.from, io, what, limits::TOKENS_PER_CALL).await?;
    if tokens.is_empty() {
        return Err(Failure::Input("there is no token in what was read".to_owned()));
    }
    few_enough(tokens.len())?;
    let body = with_tokens(&new.texts.json(Some(new.title)), &tokens, ["tokens", "token_digests"])?;
    let answer = api.json(Method::POST, "/leaks", body).await?;
    output.show(&answer, io.out, show::registered)
}

fn few_enough(tokens: usize) -> Result<(), Failure> {
    if tokens <= limits::TOKENS_PER_CALL {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "there are more than {} tokens: use `leakgate import FILE --format list`",
        limits::TOKENS_PER_CALL
    )))
}

async fn edit(change: Edit, output: Output, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let path = format!("/leaks/{}", leak_id(&change.id)?);
    let mut fields = change.texts.json(change.title);
    for name in change.clear {
        fields.insert(name, Value::Null);
    }
    let removed = change.remove_token.iter().map(|id| token_id(id).map(|id| id.to_string()));
    let removed = removed.collect::<Result<Vec<String>, _>>()?;
    if !removed.is_empty() {
        fields.insert("remove_tokens".to_owned(), removed.into());
    }
    let tokens = match &change.add_tokens {
        Some(from) => {
            read_tokens(from, io, "the tokens, one a line", limits::TOKENS_PER_CALL).await?
        }
        None => Vec::new(),
    };
    few_enough(tokens.len())?;
    if fields.is_empty() && tokens.is_empty() {
        return Err(Failure::Usage(
            "say what is to change: `leakgate leaks edit --help`".to_owned(),
        ));
    }
    let body = with_tokens(&fields, &tokens, ["add_tokens", "add_token_digests"])?;
    let answer = api.json(Method::PATCH, &path, body).await?;
    output.show(&answer, io.out, show::decided)
}

fn patch_body(patch: Patch) -> Result<Value, Failure> {
    let now = clock::now();
    let except = patch.except.iter().map(|except| {
        let (client, until) = match except.split_once('=') {
            // A certificate's name may hold the sign itself: only a time behind the last one counts.
            Some(_) if except.starts_with("cert:") => match except.rsplit_once('=') {
                Some((name, until)) if when::from_now("", until, now).is_ok() => {
                    (name, Some(until))
                }
                _ => (except.as_str(), None),
            },
            Some((client, until)) => (client, Some(until)),
            None => (except.as_str(), None),
        };
        let until = until.map(|until| when::from_now("--except", until, now)).transpose()?;
        Ok(json!({ "client": client, "until": until }))
    });
    let except = except.collect::<Result<Vec<Value>, Failure>>()?;
    let expires = patch.expires.map(|time| when::from_now("--expires", &time, now)).transpose()?;
    let tokens = patch.tokens.iter().map(|text| {
        let (id, mode) = text.split_once('=').unwrap_or((text, ""));
        let mode = TokenMode::from_name(mode).ok_or_else(|| {
            Failure::Usage("--token takes ID=MODE: block, monitoring or none".to_owned())
        })?;
        Ok(json!({ "id": token_id(id)?, "mode": mode }))
    });
    let tokens = tokens.collect::<Result<Vec<Value>, Failure>>()?;
    let methods: Vec<String> = patch.method.iter().map(|name| name.to_ascii_uppercase()).collect();
    let mut body = json!({
        "mode": patch.mode,
        "scope": {
            "hosts": patch.host,
            "path_prefixes": patch.path_prefix,
            "methods": methods,
            "except_clients": except,
            "boundary": patch.boundary,
        },
        "expires_at": expires,
        "force": patch.force,
    });
    if let Some(fields) = body.as_object_mut() {
        let texts = [("comment", patch.comment), ("break_glass", patch.break_glass)];
        let there =
            texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
        fields.extend(there);
        if !tokens.is_empty() {
            fields.insert("tokens".to_owned(), tokens.into());
        }
    }
    Ok(body)
}
