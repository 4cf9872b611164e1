//! A report's file is dropped on the page.

use super::browser::Browser;
use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// Drops a file of this text as a person would, and gives what the page then says of it.
const DROP: &str = "const data = new DataTransfer();
    data.items.add(new File([TEXT], 'scan of acme.csv', { type: 'text/csv' }));
    const at = document.querySelector('#drop .hint');
    const tell = (kind) => at.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
    tell('dragenter');
    // Where the page does not say that it takes it, a browser would open the file in its place.
    const taken = !tell('dragover') && document.getElementById('drop').classList.contains('over');
    tell('drop');
    const over = document.getElementById('drop').classList.contains('over');
    return [taken, over, document.getElementById('dropped').textContent];";

#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn a_report_is_dropped_and_looked_at_before_it_is_registered() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let browser = Browser::start(true).await;
    browser.sign_in(&program, "admin").await;
    browser.visit(&program, "/leaks/new").await;
    let tokens = [token("npm_", 36), token("ghp_", 36)];
    let report = format!("token,title\n{},one\n{},two\n", tokens[0], tokens[1]);
    let script = DROP.replace("TEXT", &serde_json::to_string(&report).unwrap());
    let said = browser.run(&script).await;
    assert_eq!(said, serde_json::json!([true, false, "scan of acme.csv"]));
    browser.click("#report button[type=submit]").await;
    browser.seen("form[action$='/register']").await;
    let review = browser.text("main").await;
    assert!(
        review.contains("nothing is registered yet") && review.contains("2 tokens"),
        "{review}"
    );
    assert_eq!(browser.text("#format").await, "Csv");
    let source = browser.source().await.unwrap();
    assert!(tokens.iter().all(|token| !source.contains(token)), "only masks are shown");
    let leaks = program.api("GET", "/leaks", None).await.1;
    assert_eq!(leaks["items"].as_array().unwrap().len(), 0, "{leaks}");
    browser.end().await;
}
