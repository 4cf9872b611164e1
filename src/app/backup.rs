//! `leakgate backup` and `leakgate restore`.

use std::path::Path;

use super::{Failure, runtime, say};
use crate::config::Config;
use crate::store;

pub(super) fn backup(config: &Config, file: &Path) -> Result<(), Failure> {
    let bytes = runtime()?.block_on(store::backup(&config.store.url, file))?;
    say::print(format!("{bytes} bytes in {}", file.display()));
    say::print(
        "the key is not in it: keep the key file, or LEAKGATE_KEY, in another place; one is useless without the other",
    );
    Ok(())
}

pub(super) fn restore(config: &Config, file: &Path) -> Result<(), Failure> {
    runtime()?.block_on(store::restore(&config.store.url, file))?;
    say::print(format!("restored to {}", config.store.url));
    say::print(
        "the key was not in the backup: put the key file beside the database, or set LEAKGATE_KEY, and start leakgate",
    );
    Ok(())
}
