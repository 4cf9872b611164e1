//! Calls of the HTTP API.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::limits;

use super::failure::Failure;
use super::settings::Settings;

/// A control plane, and the right to call it.
pub(super) struct Api {
    http: Client,
    /// As it is shown: without credentials and without a slash at its end.
    url: String,
    /// The tenant to which every call keeps.
    tenant: Option<String>,
}

/// An answer that is a success.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The body, exactly as it came.
    pub(super) text: String,
    url: String,
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.text)
            .map_err(|_| Failure::Foreign { url: self.url.clone(), status: self.status })
    }
}

impl Api {
    pub(super) fn new(settings: &Settings) -> Result<Self, Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        let url = Url::parse(settings.url.trim())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut url) = url else {
            return Err(usage("LEAKGATE_URL is not an address such as http://127.0.0.1:9090"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(usage("LEAKGATE_URL takes no user or password: set LEAKGATE_TOKEN"));
        }
        url.set_query(None);
        url.set_fragment(None);
        let Some(token) = &settings.token else {
            return Err(usage(
                "LEAKGATE_TOKEN is not set: set it to an API token, which an administrator makes \
                 with `leakgate api-tokens create NAME --role ROLE`; for the first one start the \
                 control plane with LEAKGATE_ADMIN_TOKEN",
            ));
        };
        let bearer = Zeroizing::new([b"Bearer ", token.expose()].concat());
        let mut bearer = HeaderValue::from_bytes(bearer.trim_ascii()).map_err(|_| {
            usage("LEAKGATE_TOKEN holds characters that no API token has: set it again")
        })?;
        bearer.set_sensitive(true);
        let http = Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .user_agent(concat!("leakgate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits::CONNECT_TIMEOUT)
            // The API redirects nothing; the API token is for nobody else.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| Failure::of_exchange(error, url.as_str()))?;
        Ok(Self { http, url: url.as_str().trim_end_matches('/').to_owned(), tenant: None })
    }

    /// The same, with every call kept to one tenant.
    pub(super) fn kept_to(self, tenant: Option<String>) -> Self {
        Self { tenant, ..self }
    }

    /// A call without a body.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        self.answer(self.request(Method::GET, path, query)).await
    }

    /// A call with a JSON body, or with none.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let request = self.request(method, path, &[]);
        self.answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// A call with a JSON body that was written already, since it holds tokens.
    pub(super) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let request = self.request(method, path, &[]).header(CONTENT_TYPE, "application/json");
        self.answer(request.body(body)).await
    }

    /// A call that can be built further.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.url)).query(query);
        match &self.tenant {
            Some(tenant) => request.query(&[("tenant", tenant)]),
            None => request,
        }
    }

    /// Sends a call and reads its answer whole, in bounded time and space.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.unhurried(request.timeout(limits::CLIENT_ANSWER_TIME)).await
    }

    /// The same for a call whose body may take any time to send.
    pub(super) async fn unhurried(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = self.open(request).await?;
        let status = response.status();
        let body = self.read(response).await?;
        let text = String::from_utf8(body)
            .map_err(|_| Failure::Foreign { url: self.url.clone(), status })?;
        Ok(Answer { status, text, url: self.url.clone() })
    }

    /// Sends a call and gives the answer's body to be read piece by piece.
    pub(super) async fn open(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read(response).await?;
        Err(Failure::of_answer(status, &body, &self.url))
    }

    /// Of an exchange that broke.
    pub(super) fn broken(&self, error: reqwest::Error) -> Failure {
        Failure::of_exchange(error, &self.url)
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + piece.len() > limits::CLIENT_ANSWER_BYTES {
                let cause = format!("an answer of more than {} bytes", limits::CLIENT_ANSWER_BYTES);
                return Err(Failure::Broken { url: self.url.clone(), cause });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}
