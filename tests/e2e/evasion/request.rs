//! A request as the client sends it, and what must arrive of it.

/// How a body is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// No body at all.
    None,
    Length,
    /// Chunks of so many bytes.
    Chunks(usize),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Sent {
    pub method: String,
    pub target: Vec<u8>,
    /// What the upstream must see for it, where that is another.
    pub arrives_as: Option<Vec<u8>>,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub framing: Framing,
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Whether it goes over HTTP/2.
    pub h2: bool,
}

impl Sent {
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.as_ref().to_vec(),
            arrives_as: None,
            fields: Vec::new(),
            body: Vec::new(),
            framing: Framing::None,
            trailers: Vec::new(),
            h2: false,
        }
    }

    pub fn post(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let mut sent = Self::get("/api");
        sent.method = "POST".to_owned();
        sent.body = body.as_ref().to_vec();
        sent.framing = Framing::Length;
        if !content_type.is_empty() {
            sent = sent.field("Content-Type", content_type);
        }
        sent
    }

    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn chunks(mut self, size: usize) -> Self {
        self.framing = Framing::Chunks(size);
        self
    }

    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self.field("Trailer", name)
    }

    pub fn over_h2(mut self) -> Self {
        self.h2 = true;
        self
    }

    /// The bytes on an HTTP/1.1 connection, under this number.
    pub fn bytes(&self, number: usize) -> Vec<u8> {
        let mut out = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        out.extend(format!("Host: api.example\r\nX-Case: {number}\r\n").bytes());
        for (name, value) in &self.fields {
            out.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        match self.framing {
            Framing::None => out.extend(b"\r\n"),
            Framing::Length => {
                out.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).bytes());
                out.extend(&self.body);
            }
            Framing::Chunks(size) => {
                out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in self.body.chunks(size) {
                    out.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(b"0\r\n");
                for (name, value) in &self.trailers {
                    out.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
                }
                out.extend(b"\r\n");
            }
        }
        out
    }
}

/// A request as the upstream read it to its end.
#[derive(Clone, Default, Debug)]
pub struct Arrived {
    pub start: Vec<u8>,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
}

fn values(fields: &[(String, Vec<u8>)], name: &str) -> Vec<Vec<u8>> {
    fields
        .iter()
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_ascii().to_vec())
        .collect()
}

impl Arrived {
    /// What differs from what was sent.
    pub fn difference(&self, sent: &Sent) -> Option<String> {
        let target = sent.arrives_as.as_ref().unwrap_or(&sent.target);
        let start = [sent.method.as_bytes(), b" ", target, b" HTTP/1.1"].concat();
        if self.start != start {
            return Some(format!("the start line became {}", self.start.escape_ascii()));
        }
        for (name, _) in &sent.fields {
            if values(&self.fields, name) != values(&sent.fields, name) {
                return Some(format!("field {} changed", name.escape_default()));
            }
        }
        for (name, _) in &sent.trailers {
            if values(&self.trailers, name) != values(&sent.trailers, name) {
                return Some(format!("trailer {name} changed"));
            }
        }
        (self.body != sent.body).then(|| "the body changed".to_owned())
    }
}
