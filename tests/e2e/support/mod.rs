//! What the tests are made of: a gateway in this process, an upstream that the test plays itself,
//! and a client that speaks bytes.

pub mod certificates;
pub mod dns;
pub mod gateway;
pub mod h2;
pub mod program;
pub mod socket;
pub mod tokens;
pub mod upstream;
pub mod wire;

use std::time::Duration;

/// Longer than any test.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Waits for something that must happen; a test that waits for longer has failed.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen"),
    }
}
