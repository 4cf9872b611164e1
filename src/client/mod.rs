//! The operator's commands, over the HTTP API of a control plane.
//!
//! `LEAKGATE_URL` says where it is (default `http://127.0.0.1:9090`), `LEAKGATE_TOKEN` is the API
//! token they use. Tokens that leaked are read from a file or standard input, never from arguments,
//! where other users of the machine and the shell's history would see them.
//!
//! Results go to standard output, `--output table` for people or `--output json` exactly as the API
//! answered; everything else goes to standard error. Exit codes ([`Exit`]): 0 done, 1 it failed and
//! standard error says what to do, 2 the arguments or the environment are wrong. An import ends with
//! 0 where at least something was taken, or where there was nothing to take.
//!
//! [`run`] does a command for this process, [`perform`] with any input and output.
//! [`Command::Explain`] and [`Command::Fingerprint`] can also be answered
//! without a control plane, by who has the store at hand: [`read_request`], [`read_token`],
//! [`show_explanation`] and [`show_fingerprint`] are the pieces for that.

mod api;
mod api_tokens;
mod bypass;
mod events;
mod failure;
mod follow;
mod four_eyes;
mod import;
mod input;
mod keys;
mod leak_texts;
mod leaks;
mod output;
mod settings;
mod show;
mod tenants;
mod tokens;
mod users;
mod when;

#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::Subcommand;
use tokio::io::AsyncRead;

pub use api_tokens::ApiTokens;
pub use bypass::Bypass;
pub use events::Events;
pub use failure::{Exit, Failure};
pub use four_eyes::FourEyes;
pub use import::Import;
pub use input::{read_request, read_token};
pub use keys::Keys;
pub use leaks::Leaks;
pub use output::{Output, OutputArgument};
pub use settings::Settings;
pub use tenants::Tenants;
pub use tokens::{Explain, Fingerprint, Lookup, show_explanation, show_fingerprint};
pub use users::Users;

use api::Api;

/// A command that is done by a control plane.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Register leaks from another scanner's report.
    Import(Import),
    /// List, show, register and decide about leaks.
    Leaks(Leaks),
    /// Uses of leaked tokens.
    Events(Events),
    /// The switch that stops all blocking.
    Bypass(Bypass),
    /// Whether two persons decide about what blocks.
    FourEyes(FourEyes),
    /// Whether a token, read from standard input, is known.
    Lookup(Lookup),
    /// What would be decided about one recorded raw request, and why.
    Explain(Explain),
    /// The fingerprint of a token that is read from standard input.
    Fingerprint(Fingerprint),
    /// The credentials of scripts, scanners and people at the control plane's API.
    ApiTokens(ApiTokens),
    /// Those who sign in at the control plane.
    Users(Users),
    /// Who leaks, users and routes of the gateway belong to.
    Tenants(Tenants),
    /// The key that tokens are encrypted under at rest.
    Keys(Keys),
}

impl Command {
    /// The tenant to which it keeps.
    fn tenant(&self) -> Option<String> {
        let form = match self {
            Self::Import(command) => &command.form,
            Self::Leaks(command) => &command.form,
            Self::Events(command) => &command.form,
            Self::Bypass(command) => &command.form,
            Self::FourEyes(command) => &command.form,
            Self::Lookup(command) => &command.form,
            Self::Explain(command) => &command.form,
            Self::Fingerprint(_) => return None,
            Self::ApiTokens(command) => &command.form,
            Self::Users(command) => &command.form,
            Self::Tenants(command) => &command.form,
            Self::Keys(command) => &command.form,
        };
        form.tenant.clone()
    }
}

/// Where commands read from and write to.
pub struct Io<'a> {
    /// Standard input; taken by the command that reads it.
    pub input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Whether a person types the input.
    pub typed: bool,
    /// Standard output: results.
    pub out: &'a mut dyn Write,
    /// Standard error: everything else.
    pub err: &'a mut dyn Write,
    /// Whether progress can be drawn on standard error.
    pub draws: bool,
}

impl<'a> Io<'a> {
    /// This process's standard input, with these for output. Needs a tokio runtime; end it with
    /// `shutdown_background`, since a read of standard input that waits cannot be called off.
    pub fn of_process(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            input: Some(Box::new(tokio::io::stdin())),
            typed: io::stdin().is_terminal(),
            out,
            err,
            draws: io::stderr().is_terminal(),
        }
    }
}

/// Does the command with this process's standard input and output, on a runtime of its own.
pub fn run(command: Command, settings: &Settings) -> ExitCode {
    let (mut out, mut err) = (BufWriter::new(io::stdout().lock()), io::stderr().lock());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(err, "leakgate: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(async {
        let mut io = Io::of_process(&mut out, &mut err);
        perform(command, settings, &mut io).await
    });
    runtime.shutdown_background();
    exit.into()
}

/// Does the command and says on standard error what went wrong. A reader of the output that goes
/// away early, as `head` does, is no failure.
pub async fn perform(command: Command, settings: &Settings, io: &mut Io<'_>) -> Exit {
    let done = dispatch(command, settings, io).await;
    // What was shown before a failure is shown before its reason.
    let flushed = io.out.flush().map_err(Failure::from);
    match done.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => failure.report(io.err),
    }
}

async fn dispatch(command: Command, settings: &Settings, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let api = Api::new(settings)?.kept_to(command.tenant());
    match command {
        Command::Import(import) => return import::run(import, &api, io).await,
        Command::Leaks(leaks) => Box::pin(leaks::run(leaks, &api, io)).await?,
        Command::Events(events) => Box::pin(events::run(events, &api, io)).await?,
        Command::Bypass(bypass) => bypass::run(bypass, &api, io).await?,
        Command::FourEyes(setting) => four_eyes::run(setting, &api, io).await?,
        Command::Lookup(lookup) => tokens::lookup(lookup, &api, io).await?,
        Command::Explain(explain) => tokens::explain(explain, &api, io).await?,
        Command::Fingerprint(fingerprint) => tokens::fingerprint(fingerprint, &api, io).await?,
        Command::ApiTokens(api_tokens) => api_tokens::run(api_tokens, &api, io).await?,
        Command::Users(users) => Box::pin(users::run(users, &api, io)).await?,
        Command::Tenants(tenants) => tenants::run(tenants, &api, io).await?,
        Command::Keys(keys) => keys::run(keys, &api, io).await?,
    }
    Ok(Exit::Done)
}
