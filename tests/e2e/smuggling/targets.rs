//! Request lines and hosts.

use super::Next::{Dropped, Served};
use super::{Begins, arrive, refused};

/// A request with this first line.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

/// A request for this host.
fn host(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n")
}

#[tokio::test]
async fn malformed_request_lines_are_refused() {
    let cases = [
        ("two spaces before the target", line("GET  / HTTP/1.1")),
        ("two spaces behind the target", line("GET /  HTTP/1.1")),
        ("tab before the target", line("GET\t/ HTTP/1.1")),
        ("tab behind the target", line("GET /\tHTTP/1.1")),
        ("space before the method", line(" GET / HTTP/1.1")),
        ("space behind the version", line("GET / HTTP/1.1 ")),
        ("space in the target", line("GET /a b HTTP/1.1")),
        ("another request in the target", line("GET /a HTTP/1.1 HTTP/1.1")),
        ("bare carriage return in the target", line("GET /a\rb HTTP/1.1")),
        ("bare carriage return behind the version", line("GET / HTTP/1.1\r")),
        ("nul in the target", line("GET /a\0b HTTP/1.1")),
        ("control in the target", line("GET /a\x01b HTTP/1.1")),
        ("delete in the target", line("GET /a\x7fb HTTP/1.1")),
        ("vertical tab in the target", line("GET /a\x0bb HTTP/1.1")),
        ("no target", line("GET HTTP/1.1")),
        ("no method", line("/ HTTP/1.1")),
        ("no version", line("GET /")),
        ("method with a colon", line("GET: / HTTP/1.1")),
        ("method with a quote", line("\"GET\" / HTTP/1.1")),
        ("method with a bracket", line("G[T / HTTP/1.1")),
        ("method with a nul", line("GE\0T / HTTP/1.1")),
        ("method of another script", line("G\u{c9}T / HTTP/1.1")),
        ("1.2", line("GET / HTTP/1.2")),
        ("2.0", line("GET / HTTP/2.0")),
        ("3 without a minor version", line("GET / HTTP/3")),
        ("lower-case version", line("GET / http/1.1")),
        ("leading zero", line("GET / HTTP/01.1")),
        ("two digits", line("GET / HTTP/1.10")),
        ("another protocol", line("GET / ICY/1.1")),
        ("authority", line("GET a:80 HTTP/1.1")),
        ("star", line("GET * HTTP/1.1")),
        ("another scheme", line("GET ftp://a/ HTTP/1.1")),
        ("scheme without an authority", line("GET http:/// HTTP/1.1")),
        ("relative", line("GET a/b HTTP/1.1")),
        ("query alone", line("GET ?a HTTP/1.1")),
        ("script", line("GET javascript:alert(1) HTTP/1.1")),
    ];
    refused(400, Begins::Never, &cases).await;
}

#[tokio::test]
async fn a_host_that_is_not_one_is_refused() {
    let cases = [
        ("none", host("X: 1")),
        ("two", host("Host: a\r\nHost: b")),
        ("two of the same", host("Host: a\r\nHost: a")),
        ("two, far apart", host("Host: a\r\nX: 1\r\nhOST: b")),
        ("list", host("Host: a, b")),
        ("space", host("Host: a b")),
        ("tab", host("Host: a\tb")),
        ("user", host("Host: u@a")),
        ("path", host("Host: a/b")),
        ("query", host("Host: a?b")),
        ("fragment", host("Host: a#b")),
        ("backslash", host("Host: a\\b")),
        ("scheme", host("Host: http://a")),
        ("quote", host("Host: \"a\"")),
        ("angle", host("Host: a<b")),
        ("pipe", host("Host: a|b")),
        ("caret", host("Host: a^b")),
        ("brace", host("Host: a{b}")),
        ("two ports", host("Host: a:80:80")),
        ("port of letters", host("Host: a:http")),
        ("port with a sign", host("Host: a:+80")),
        ("port with a space", host("Host: a: 80")),
        ("unfinished address", host("Host: [::1")),
        ("no address", host("Host: [x]")),
        ("behind an address", host("Host: [::1]x")),
        ("other script", host("Host: \u{e9}")),
        ("folded", host("Host:\r\n a")),
        ("folded, two lines", host("Host: a\r\n b")),
        ("space before the colon", host("Host : a")),
        (
            "absolute target and two hosts",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        ),
        (
            "absolute target with an odd host",
            "GET http://a%0d%0ab/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
    ];
    refused(400, Begins::Never, &cases).await;
}

#[tokio::test]
async fn no_tunnels() {
    let cases = [
        ("authority", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nTLS?".to_owned()),
        ("path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
    ];
    refused(501, Begins::Never, &cases).await;
}

#[tokio::test]
async fn an_absolute_target_decides_the_host() {
    arrive(&[
        (
            "other host",
            "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "GET /x?y HTTP/1.1\r\nhost: b:81\r\n\r\n",
        ),
        (
            "user",
            "GET http://u:p@b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "GET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "no path",
            "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "GET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "no path but a query",
            "GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "GET /?x HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "tls",
            "GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "GET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "case of the scheme",
            "GET HTTP://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "GET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
    ])
    .await;
}

#[tokio::test]
async fn targets_arrive_as_they_are() {
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    arrive(&[
        ("fragment", target("/a#b"), Served, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n"),
        (
            "encoded",
            target("/%2e%2E/%00%0d%0a"),
            Served,
            "GET /%2e%2E/%00%0d%0a HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "dots",
            target("/a/../b/./c//d"),
            Served,
            "GET /a/../b/./c//d HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        ("backslash", target("/a\\b"), Served, "GET /a\\b HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("two slashes first", target("//b/c"), Served, "GET //b/c HTTP/1.1\r\nhost: a\r\n\r\n"),
        (
            "url as a path",
            target("/http://b/"),
            Served,
            "GET /http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "several marks",
            target("/?a?b&c=d;e"),
            Served,
            "GET /?a?b&c=d;e HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "server as a whole",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "odd method",
            "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "M-SEARCH / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "lower-case method",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Served,
            "get / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "1.0 without a host",
            "GET / HTTP/1.0\r\n\r\n".to_owned(),
            Dropped,
            "GET / HTTP/1.1\r\nhost: \r\n\r\n",
        ),
    ])
    .await;
}
