//! A form as a browser sends it. Values stay secrets until a page asks for one as text: a password or
//! a leaked token may be among them.

use axum::extract::Request;
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use crate::control::{Problem, form_body};
use crate::model::secret::Secret;

/// The fields of a form, in order.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, Secret)>);

impl Form {
    /// Out of a request's body.
    pub(super) async fn of(request: Request) -> Result<Self, Problem> {
        Ok(Self::parse(&form_body(request).await?))
    }

    fn parse(body: &[u8]) -> Self {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let mut halves = pair.splitn(2, |byte| *byte == b'=');
                    let name = decoded(halves.next().unwrap_or_default());
                    let value = decoded(halves.next().unwrap_or_default());
                    let name = String::from_utf8_lossy(&name).into_owned();
                    (name, Secret::new(value.to_vec()))
                })
                .collect(),
        )
    }

    /// The value of a field as it was sent; empty where it was not.
    pub(super) fn secret(&self, name: &str) -> Secret {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or_else(|| Secret::from(String::new()), |(_, value)| value.clone())
    }

    /// The trimmed text of a field; absent where it is empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(self.secret(name).expose()).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The form with these fields.
    pub(super) fn of_fields(fields: Vec<(String, Secret)>) -> Self {
        Self(fields)
    }

    /// All values of a field.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(field, _)| field == name);
        values.map(|(_, value)| String::from_utf8_lossy(value.expose()).into_owned()).collect()
    }

    /// Whether a box is ticked.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// The lines of a field that are not empty, trimmed, each a secret of its own.
    pub(super) fn secret_lines(&self, name: &str) -> Vec<Secret> {
        let whole = self.secret(name);
        let lines = whole.expose().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty()).map(|line| Secret::new(line.to_vec())).collect()
    }

    /// The entries of a field in which commas or line ends stand between them.
    pub(super) fn entries(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let entries = text.split([',', '\n']).map(str::trim);
        entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }
}

fn decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let spaced: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect());
    Zeroizing::new(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let form = Form::parse(b"a=1+2%26&tokens=one%0D%0A%0D%0Atwo&b=&hosts=x%2C+y&on=");
        assert_eq!(form.text("a").as_deref(), Some("1 2&"));
        assert_eq!(form.text("b"), None);
        assert!(form.has("on") && !form.has("off"));
        assert_eq!(form.entries("hosts"), ["x", "y"]);
        let lines = form.secret_lines("tokens");
        let lines: Vec<&[u8]> = lines.iter().map(Secret::expose).collect();
        assert_eq!(lines, [b"one", b"two"]);
    }
}
