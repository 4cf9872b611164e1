//! `/explain`.

use super::support::{Api, id, token};

#[tokio::test]
async fn explains_without_repeating_the_request() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.block(&leak).await;
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-key: {}\r\n\r\n", token("one"));
    let answer = api.post_text(&api.admin, "/explain", request.clone()).await;
    assert!(!answer.text.contains(&token("one")));
    let explained = answer.expect(200);
    assert_eq!(explained["outcome"], "blocked");
    assert_eq!(explained["status"], 403);
    assert_eq!(explained["hits"][0]["leak"], id(&leak));
    assert_eq!(explained["hits"][0]["action"], "blocked");

    let answer = api.post_text(&api.admin, "/explain", token("one")).await;
    assert!(!answer.text.contains(&token("one")));
    answer.problem(422, "invalid-value");
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    api.post_text(&api.admin, "/explain", large).await.problem(413, "too-large");
}
