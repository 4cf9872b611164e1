//! What the process tells about itself.

use crate::support::program::Program;
use crate::support::upstream::AnsweringUpstream;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_have_an_address_of_their_own_where_one_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let more = "admin_listen = \"127.0.0.1:0\"";
    let program = Program::start(folder.path(), upstream.address(), more);
    let own = program.errors.after("metrics and health listening on http://");
    for address in [own, program.control.to_string()] {
        for (path, expected) in
            [("healthz", "ok"), ("readyz", "ready"), ("metrics", "leakgate_patchset_version 1")]
        {
            let answer = reqwest::get(format!("http://{address}/{path}")).await.unwrap();
            assert_eq!(answer.status(), 200);
            let text = answer.text().await.unwrap();
            assert!(text.contains(expected), "{path}: {text}");
        }
    }
}
