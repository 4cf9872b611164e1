//! `/imports` and `/imports/{id}`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BASE;
use super::extract::{self, FromQuery, Id};
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::decisions::{self, PatchRequest};
use crate::control::imports::{Belongs, Import, ImportStatus, Intake, Item};
use crate::control::intake::{fits, one_line};
use crate::control::problem::Problem;
use crate::model::ids::ImportId;
use crate::model::leak::{Risk, SourceKind};
use crate::model::role::Permission;
use crate::model::rule::PatchMode;
use crate::reports::{Format, Hints, Item as Parsed, Limits, Parser};

/// What is decided about the leaks that an import makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ImportDecision {
    /// Nothing: they are watched.
    #[default]
    None,
    /// A virtual patch in monitoring mode.
    Monitoring,
    /// A blocking virtual patch.
    Block,
}

/// How a report is to be taken.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// Its form: `kingfisher`, `gitleaks`, `betterleaks`, `trufflehog`, `sarif`, `csv`, `list`
    /// (one token a line, all of one leak), or `auto`, which tells it from the beginning.
    format: Option<String>,
    /// The title of a list's leak; in other forms it stands before the title of each leak.
    title: Option<String>,
    /// The risk of all leaks, whatever the report says.
    risk: Option<Risk>,
    /// The kind of all sources, whatever the report says.
    source_kind: Option<SourceKind>,
    /// What is decided about the leaks that are made: `none` where it is not said. Anything else
    /// needs the right to decide.
    #[param(inline)]
    decision: Option<ImportDecision>,
}

/// Import another scanner's report. It is read as it arrives; the valid part is registered and the
/// rest is listed with reasons. More than 10,000 tokens are registered in the background.
#[utoipa::path(
    post,
    path = "/imports",
    tag = "imports",
    operation_id = "importReport",
    params(ImportQuery),
    request_body(content = Option<String>, content_type = "application/octet-stream",
        description = "The report, up to 512 MiB."),
    responses(
        (status = 200, description = "What it came to.", body = Import),
        (status = 202, description = "It is under way: follow `Location`.", body = Import,
            headers(("Location" = String, description = "Where its progress is."))),
    )
)]
pub(super) async fn import(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(query): FromQuery<ImportQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let patch = match query.decision.unwrap_or_default() {
        ImportDecision::None => None,
        ImportDecision::Monitoring => Some(PatchMode::Monitoring),
        ImportDecision::Block => Some(PatchMode::Block),
    };
    if patch.is_some() && !caller.actor.role.may(Permission::Decide) {
        return Err(Problem::forbidden(caller.actor.role, Permission::Decide));
    }
    let blocks = patch == Some(PatchMode::Block);
    if blocks && control.store().four_eyes(&caller.actor.tenant).await? {
        return Err(Problem::invalid(
            "decision",
            "a block takes two persons here: import with none or monitoring, then propose the block \
             for the leaks",
        ));
    }
    let patch = patch
        .map(|mode| decisions::apply(PatchRequest { mode: Some(mode), ..Default::default() }))
        .transpose()?;
    let format = match query.format.as_deref() {
        None | Some("auto" | "") => None,
        Some(name) => Some(Format::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
            Problem::invalid("format", format!("it must be auto, {}", names.join(", ")))
        })?),
    };
    let title = query.title.map(|title| one_line(&title)).filter(|title| !title.is_empty());
    fits("title", title.as_deref().unwrap_or_default(), limits::TITLE_BYTES)?;
    extract::must_be_plain(request.headers())?;
    let hints = Hints { title, risk: query.risk, source_kind: query.source_kind };
    let intake = control.begin_import(&caller.actor, patch)?;
    let tokens = feed(request, Parser::new(format, hints, LIMITS), &intake).await?;
    answer(intake, tokens).await
}

/// How far an import is.
#[utoipa::path(
    get,
    path = "/imports/{id}",
    tag = "imports",
    operation_id = "showImport",
    params(("id" = ImportId, Path, description = "The import.")),
    responses((status = 200, description = "How far it is.", body = Import))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<ImportId>,
) -> Result<Json<Import>, Problem> {
    Ok(Json(control.import(&caller.tenants, id)?))
}

/// What is taken from one report.
pub(in crate::control) const LIMITS: Limits = Limits {
    item_bytes: limits::REPORT_ITEM_BYTES,
    nesting: limits::REPORT_NESTING,
    token_bytes: limits::TOKEN_BYTES,
    tokens: limits::IMPORT_PART_TOKENS,
    title_bytes: limits::TITLE_BYTES,
    place_bytes: limits::URL_BYTES,
};

/// Reads the body through the parser into the import. Answers with how many tokens there were.
async fn feed(request: Request, mut parser: Parser, intake: &Intake) -> Result<usize, Problem> {
    let mut stream = request.into_body().into_data_stream();
    let (mut read, mut tokens) = (0, 0);
    let mut parsed = Vec::new();
    loop {
        let chunk = match extract::next_chunk(&mut stream).await {
            Ok(chunk) => chunk,
            Err(problem) => {
                let _ = intake.items.send(Item::Broken(problem.clone())).await;
                return Err(problem);
            }
        };
        let ended = chunk.is_none();
        if let Some(chunk) = chunk {
            read += chunk.len();
            if read > limits::IMPORT_BYTES {
                let problem = Problem::too_large(limits::IMPORT_BYTES);
                let _ = intake.items.send(Item::Broken(problem.clone())).await;
                return Err(problem);
            }
            for piece in chunk.chunks(limits::REPORT_PIECE_BYTES) {
                parser.feed(piece, &mut parsed);
                tokens += hand_over(&parser, &mut parsed, intake).await;
            }
        } else {
            parser.finish(&mut parsed);
            tokens += hand_over(&parser, &mut parsed, intake).await;
        }
        if ended || intake.items.is_closed() {
            return Ok(tokens);
        }
    }
}

/// Hands what was parsed over to the import; waits where that is slower. Answers with how many
/// tokens there were.
pub(in crate::control) async fn hand_over(
    parser: &Parser,
    parsed: &mut Vec<Parsed>,
    intake: &Intake,
) -> usize {
    let one_leak = parser.format().is_some_and(Format::is_one_leak);
    let belongs = if one_leak { Belongs::Together } else { Belongs::Alone };
    let mut tokens = 0;
    for item in parsed.drain(..) {
        match item {
            Parsed::Finding(finding) => {
                tokens += finding.tokens.len();
                intake.find(finding, belongs).await;
            }
            Parsed::Refused(refused) => {
                let _ = intake.items.send(Item::Refused(refused)).await;
            }
        }
    }
    tokens
}

async fn answer(intake: Intake, tokens: usize) -> Result<Response, Problem> {
    let mut progress = intake.progress.clone();
    drop(intake);
    let import = progress.borrow().clone();
    if tokens > limits::TOKENS_PER_CALL && import.problem.is_none() {
        let location = format!("{BASE}/imports/{}", import.id);
        return Ok(
            (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(import)).into_response()
        );
    }
    let ended = progress
        .wait_for(|import| import.status != ImportStatus::Running)
        .await
        .map_err(|_| Problem::failed())?
        .clone();
    match ended.problem {
        Some(problem) => Err(problem),
        None => Ok(Json(ended).into_response()),
    }
}
