//! The operator's commands. Those that only look at the store are answered from it where no API
//! token is set: on the machine of a control plane, they work without it running.

use std::process::ExitCode;
use std::sync::Arc;

use super::explain::Explainer;
use super::serve::secret;
use super::{Failure, runtime, say};
use crate::client::{self, Command, Exit, Io, Settings};
use crate::config::Config;
use crate::control::{BypassControl, Control, Explain, Hooks};
use crate::matcher::{Patchset, PatchsetHandle};
use crate::model::tenant::Tenants;
use crate::model::token::TokenDigest;
use crate::store::{self, KeySource, Store};
use crate::telemetry::metrics::Metrics;

/// Does the command: over the API, or from the store of the configuration.
pub(super) fn run_client(
    command: Command,
    configuration: impl FnOnce() -> Result<Config, Failure>,
) -> ExitCode {
    let settings = Settings::from_env();
    let looks = matches!(command, Command::Explain(_) | Command::Fingerprint(_));
    if settings.token.is_some() || !looks {
        return client::run(command, &settings);
    }
    let done = configuration().and_then(|config| {
        let runtime = runtime()?;
        let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
        let exit = runtime.block_on(async {
            let mut io = Io::of_process(&mut out, &mut err);
            from_store(command, &config, &mut io).await
        });
        runtime.shutdown_background();
        exit
    });
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            say::say(format!("leakgate: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn from_store(command: Command, config: &Config, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let key = KeySource::from_environment(secret("LEAKGATE_KEY"), secret("LEAKGATE_OLD_KEY"));
    let store = store::open_reading(&config.store.url, key).await?;
    let answered = match command {
        Command::Fingerprint(fingerprint) => {
            answer_fingerprint(fingerprint, store.as_ref(), io).await
        }
        Command::Explain(explain) => {
            let explainer = explainer(Arc::clone(&store), config).await?;
            answer_explain(explain, &explainer, io).await
        }
        // Only these two are sent here.
        _ => Ok(()),
    };
    store.close().await;
    Ok(match answered {
        Ok(()) => Exit::Done,
        Err(failure) => failure.report(io.err),
    })
}

async fn answer_fingerprint(
    fingerprint: client::Fingerprint,
    store: &dyn Store,
    io: &mut Io<'_>,
) -> Result<(), client::Failure> {
    let token = client::read_token(&fingerprint.from, io).await?;
    let digest = std::str::from_utf8(token.expose())
        .ok()
        .and_then(|text| text.parse::<TokenDigest>().ok())
        .unwrap_or_else(|| token.digest());
    client::show_fingerprint(&store.fingerprint_key().fingerprint(&digest).short(), io.out)
}

async fn answer_explain(
    explain: client::Explain,
    explainer: &Explainer,
    io: &mut Io<'_>,
) -> Result<(), client::Failure> {
    let request = client::read_request(&explain.file, io).await?;
    let explanation = explainer
        .explain(&request, &Tenants::All)
        .map_err(|error| client::Failure::Input(error.to_string()))?;
    let explanation = serde_json::to_value(&explanation)
        .map_err(|error| client::Failure::Input(error.to_string()))?;
    client::show_explanation(&explanation, explain.form.output, io.out)
}

/// An inspector with the patchset that a start on this store would publish.
async fn explainer(store: Arc<dyn Store>, config: &Config) -> Result<Explainer, Failure> {
    let patchset = PatchsetHandle::new(Arc::new(Patchset::empty()));
    let explainer = Arc::new(Explainer::new(patchset.clone(), &config.gateway));
    let hooks = Hooks { bypass: Arc::new(NoGateway), explain: explainer };
    let metrics = Arc::new(Metrics::new()?);
    let settings = crate::control::Settings::from(config);
    Control::new(store, patchset.clone(), settings, hooks, metrics).publish().await?;
    Ok(Explainer::new(patchset, &config.gateway))
}

/// There is no gateway whose switch could be turned.
struct NoGateway;

impl BypassControl for NoGateway {
    fn set(&self, _: bool) {}

    fn set_tenants(&self, _: &[String]) {}
}
