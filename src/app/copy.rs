//! `leakgate store copy`: from SQLite to PostgreSQL.

use clap::Subcommand;

use super::serve::secret;
use super::{Failure, runtime, say};
use crate::store::{self, KeySource};

/// What is done with a whole store, while no process uses it.
#[derive(Subcommand, Debug)]
pub(super) enum StoreCommand {
    /// Copy a store of SQLite into an empty PostgreSQL database, all of it or nothing. Stop leakgate
    /// first. The source stays as it is.
    Copy {
        /// `sqlite:` and the path of the store.
        #[arg(value_name = "FROM")]
        from: String,
        /// `postgres://USER@HOST/DATABASE`; a password comes from PGPASSWORD or ~/.pgpass.
        #[arg(value_name = "TO")]
        to: String,
    },
}

pub(super) fn run(command: StoreCommand) -> Result<(), Failure> {
    let StoreCommand::Copy { from, to } = command;
    let key = secret("LEAKGATE_KEY");
    let has_key_file = key.is_none();
    let copied = runtime()?.block_on(store::copy(
        &from,
        &to,
        KeySource::from_environment(key, secret("LEAKGATE_OLD_KEY")),
    ))?;
    for (table, rows) in &copied.tables {
        say::print(format!("{table}: {rows}"));
    }
    let key = if has_key_file {
        ", with what stands in the key file as LEAKGATE_KEY"
    } else {
        ", with the same LEAKGATE_KEY"
    };
    say::print(format!(
        "all of it was copied; set [store] url to the new database and start leakgate{key}"
    ));
    Ok(())
}
