//! Which control plane, and as whom.

use std::ffi::OsString;

use crate::model::secret::Secret;

/// Where a control plane on this machine is.
const URL: &str = "http://127.0.0.1:9090";

/// Which control plane the commands talk to, and with which API token.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `LEAKGATE_URL`: `http://` or `https://`, host and port.
    pub url: String,
    /// `LEAKGATE_TOKEN`: the API token; absent where it is not set or empty.
    pub token: Option<Secret>,
}

impl Settings {
    /// From the values of `LEAKGATE_URL` and `LEAKGATE_TOKEN`. Text that is not Unicode is kept as
    /// far as it is, and refused when it is used.
    pub fn new(url: Option<OsString>, token: Option<OsString>) -> Self {
        let url = url.filter(|url| !url.is_empty());
        let token = token.map(|token| Secret::new(token.into_encoded_bytes()));
        Self {
            url: url.map_or_else(|| URL.to_owned(), |url| url.to_string_lossy().into_owned()),
            token: token.filter(|token| !token.is_empty()),
        }
    }

    /// From this process's environment.
    pub fn from_env() -> Self {
        Self::new(std::env::var_os("LEAKGATE_URL"), std::env::var_os("LEAKGATE_TOKEN"))
    }
}
