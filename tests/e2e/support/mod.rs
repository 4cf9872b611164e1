//! What the tests are made of: a gateway in this process, an upstream that the test plays itself,
//! and a client that speaks bytes.

pub mod gateway;
pub mod wire;

use std::time::Duration;

/// Waits for something that must happen; a test that waits for longer has failed.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// A token, made at run time so that no file holds one.
pub fn token(seed: u8) -> String {
    let body: String =
        (0..36u8).map(|i| char::from(b'a' + (i.wrapping_mul(7).wrapping_add(seed)) % 26)).collect();
    format!("tok_{body}")
}
