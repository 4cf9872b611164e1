//! A control plane of tests: answers what it was told to, in turn, and keeps what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use clap::Parser;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Command, Exit, Io, Settings, perform};
use crate::model::secret::Secret;

/// One call as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method, path and query.
    pub(super) line: String,
    pub(super) authorization: String,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What a command came to.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

#[derive(Clone)]
pub(super) struct Stub {
    address: SocketAddr,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

impl Stub {
    pub(super) async fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answers = answers.iter().map(|&(status, body)| (status, body.to_owned())).collect();
        let stub = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::new(Mutex::new(answers)),
            asked: Arc::default(),
        };
        let kept = stub.clone();
        let router = Router::new().fallback(move |request: Request| kept.clone().answer(request));
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    async fn answer(self, request: Request) -> Response {
        let authorization = request.headers().get("authorization");
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        let mut asked = Asked {
            line: format!("{} {}", request.method(), request.uri()),
            authorization: authorization.unwrap_or_default(),
            body: String::new(),
        };
        let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
        asked.body = String::from_utf8(body.to_vec()).unwrap();
        self.asked.lock().unwrap().push(asked);
        let (status, body) =
            self.answers.lock().unwrap().pop_front().unwrap_or((404, String::new()));
        Response::builder().status(status).body(Body::from(body)).unwrap()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn settings(&self) -> Settings {
        let token = Secret::from("lgt_of-the-tests".to_owned());
        Settings { url: format!("http://{}/", self.address), token: Some(token) }
    }

    /// Does a command against this stub.
    pub(super) async fn run(&self, arguments: &[&str], input: &str) -> Done {
        do_it(arguments, input, &self.settings()).await
    }
}

/// Does a command with these settings.
pub(super) async fn do_it(arguments: &[&str], input: &str, settings: &Settings) -> Done {
    let arguments = Arguments::try_parse_from([&["leakgate"], arguments].concat()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut io = Io {
        input: Some(Box::new(std::io::Cursor::new(input.as_bytes().to_vec()))),
        typed: false,
        out: &mut out,
        err: &mut err,
        draws: false,
    };
    let exit = perform(arguments.command, settings, &mut io).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { exit, out: text(out), err: text(err) }
}

/// Whether the arguments are understood.
pub(super) fn understood(arguments: &[&str]) -> Result<(), String> {
    Arguments::try_parse_from([&["leakgate"], arguments].concat())
        .map(|_| ())
        .map_err(|error| error.to_string())
}
