//! Wiring: the one room that sees all others. One process is put together, run and drained here.

mod admin;
mod backup;
mod copy;
mod demo;
mod descriptors;
mod echo;
mod explain;
mod local;
mod measure;
mod process;
mod reload;
mod say;
mod serve;
mod service_manager;
mod signals;
mod temporary;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client;
use crate::config::{self, Config, ConfigError};
use crate::control::BootstrapError;
use crate::proxy::{AccessLogError, PassedSockets, RunError, StartError, check_certificates};
use crate::store::StoreError;
use crate::telemetry::logs::LogError;

/// Stops leaked API tokens from working, seconds after anyone learns of the leak.
///
/// Exit codes: 0 done; 1 it failed, and standard error says what to do; 2 the arguments are wrong.
#[derive(Parser, Debug)]
#[command(name = "leakgate", version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration; default: leakgate.toml where it is there, else the built-in defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Everything in one process, with a built-in upstream and sample leaks; prints what to try.
    Demo,
    /// Gateway and control plane in one process.
    Serve,
    /// Say all that is wrong with the configuration, and exit non-zero.
    CheckConfig,
    /// What inspection costs on this machine, with any tokens and any text or request.
    #[command(subcommand)]
    Measure(measure::Measure),
    /// Write a backup of the embedded store into a new file, also while leakgate runs. Without the key.
    Backup {
        /// The file to make.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a backup into the place of the embedded store, where none is yet.
    Restore {
        /// The file that `leakgate backup` made.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// What is done with a whole store.
    #[command(subcommand)]
    Store(copy::StoreCommand),
    /// Print the OpenAPI document of the control API.
    Openapi,
    #[command(flatten)]
    Client(Box<client::Command>),
}

/// What kept a process from starting, or broke it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the first administrator cannot be made: {0}")]
    Bootstrap(#[from] BootstrapError),
    #[error(transparent)]
    Gateway(#[from] StartError),
    #[error("{key}: cannot listen on {address}: {source}{}", advice(.source))]
    Listen { key: &'static str, address: std::net::SocketAddr, source: io::Error },
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
    #[error("the runtime cannot start: {0}")]
    Runtime(io::Error),
    #[error("a temporary folder or port cannot be had: {0}")]
    Temporary(io::Error),
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Unfit { path: PathBuf, reason: String },
    #[error("the demo's samples cannot be registered: {0}")]
    Demo(reqwest::Error),
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("a second signal ended the process before its drain was over")]
    Cut,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the program that has this port, or set another one",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege; set a higher one",
        _ => "",
    }
}

impl Failure {
    /// Whether another port would help.
    fn is_port_in_use(&self) -> bool {
        match self {
            Self::Gateway(StartError::Bind(error)) => {
                error.source.kind() == io::ErrorKind::AddrInUse
            }
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            _ => false,
        }
    }
}

/// Does what the arguments ask for.
pub fn run(arguments: Arguments) -> ExitCode {
    let file = arguments.config.as_deref();
    let done = match arguments.command {
        Command::Demo => runtime().and_then(|runtime| runtime.block_on(demo::run())),
        Command::Serve => {
            // Before there are threads: it changes the environment.
            let passed = PassedSockets::of_process();
            configuration(file).and_then(|config| {
                runtime()?.block_on(serve::run(config, passed, &|| configuration(file)))
            })
        }
        Command::CheckConfig => configuration(file).and_then(|config| {
            check_certificates(&config.gateway.tls).map_err(StartError::from)?;
            say::print("the configuration is right");
            Ok(())
        }),
        Command::Openapi => {
            say::print(crate::control::openapi().to_pretty_json().unwrap_or_default());
            Ok(())
        }
        Command::Measure(measure) => measure::run(&measure),
        Command::Backup { file: to } => {
            configuration(file).and_then(|config| backup::backup(&config, &to))
        }
        Command::Restore { file: from } => {
            configuration(file).and_then(|config| backup::restore(&config, &from))
        }
        Command::Store(command) => copy::run(command),
        Command::Client(command) => return local::run_client(*command, || configuration(file)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::say(format!("leakgate: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn configuration(file: Option<&std::path::Path>) -> Result<Config, Failure> {
    Ok(config::load(file, std::env::vars())?)
}

/// The runtime of everything but the gateway's workers, which have their own.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)
}
