//! `leakgate events follow`: server-sent events as they come.

use reqwest::Method;
use serde_json::Value;

use crate::config::limits;

use super::Io;
use super::api::Api;
use super::failure::Failure;
use super::output::{Output, number, text, time};

/// Shows events until the stream ends, which is a failure: it has no end of its own.
pub(super) async fn run(
    query: &[(&str, String)],
    output: Output,
    api: &Api,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let request = api.request(Method::GET, "/events/stream", query);
    let mut response = api.open(request).await?;
    let mut lines = Lines::default();
    while let Some(piece) = response.chunk().await.map_err(|error| api.broken(error))? {
        lines.feed(&piece, |kind, data| show(kind, data, output, io))?;
    }
    Err(Failure::Refused(
        "the control plane ended the stream: it stops, or the API token is no longer accepted; \
         follow again"
            .to_owned(),
    ))
}

fn show(kind: &str, data: &str, output: Output, io: &mut Io<'_>) -> Result<(), Failure> {
    let event: Value = serde_json::from_str(data).unwrap_or_default();
    if kind == "missed" {
        let missed = number(&event, "missed");
        let _ = writeln!(
            io.err,
            "{missed} events came too fast and are left out here; `leakgate events list` has them"
        );
        return Ok(());
    }
    match output {
        Output::Json => writeln!(io.out, "{data}")?,
        Output::Table => writeln!(
            io.out,
            "{}  {:9}  {}  {} {} {}{}  {}  leak {}",
            time(&event, "at"),
            text(&event, "action"),
            text(&event, "fingerprint"),
            text(&event, "source_ip"),
            text(&event, "method"),
            text(&event, "host"),
            text(&event, "path"),
            text(&event, "point"),
            text(&event, "leak")
        )?,
    }
    // Each event is shown when it comes, also into a pipe.
    io.out.flush()?;
    Ok(())
}

/// The lines of a stream of server-sent events, as the HTML standard cuts them.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    kind: String,
    data: String,
}

impl Lines {
    fn feed(
        &mut self,
        piece: &[u8],
        mut event: impl FnMut(&str, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for &byte in piece {
            if byte != b'\n' {
                if self.line.len() < limits::CLIENT_EVENT_BYTES {
                    self.line.push(byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
            if line.is_empty() {
                let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
                if !data.is_empty() {
                    event(&kind, &data)?;
                }
            } else if let Some((name, value)) = line.split_once(':') {
                let value = value.strip_prefix(' ').unwrap_or(value);
                match name {
                    "event" => self.kind = value.to_owned(),
                    "data" if self.data.len() < limits::CLIENT_EVENT_BYTES => {
                        if !self.data.is_empty() {
                            self.data.push('\n');
                        }
                        self.data.push_str(value);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_wherever_the_pieces_end() {
        let stream = b": beat\n\nevent: vpatch\nid: 1\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: z\n\n";
        for piece in [1, 2, 7, 100] {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(piece) {
                lines
                    .feed(piece, |kind, data| {
                        seen.push((kind.to_owned(), data.to_owned()));
                        Ok(())
                    })
                    .unwrap();
            }
            let expected = [("vpatch", "{\"a\":1}"), ("", "x\ny")];
            assert_eq!(seen, expected.map(|(kind, data)| (kind.to_owned(), data.to_owned())));
        }
    }
}
