//! What commands read: tokens and recorded requests, from a file or standard input.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

use crate::config::limits;
use crate::model::secret::Secret;

use super::Io;
use super::failure::Failure;

/// Why a file of tokens that cannot be read is not named: it may be a token, given by mistake.
const NEVER_ARGUMENTS: &str = "tokens are read from standard input (-) or from a file, never from arguments, and there is no \
     such file";

/// Reads one token: the first line, without blanks around it.
///
/// # Errors
/// Where nothing can be read, or there is not exactly one token.
pub async fn read_token(from: &Path, io: &mut Io<'_>) -> Result<Secret, Failure> {
    let mut tokens = read_tokens(from, io, "a token", 1).await?;
    match (tokens.pop(), tokens.is_empty()) {
        (Some(token), true) => Ok(token),
        (None, _) => Err(Failure::Input("there is no token in what was read".to_owned())),
        (Some(_), false) => {
            Err(Failure::Input("there is more than one line in what was read".to_owned()))
        }
    }
}

/// Reads tokens, one a line; blank lines are skipped. One more than `most` may come out, so that
/// the caller can say that there are too many.
pub(super) async fn read_tokens(
    from: &Path,
    io: &mut Io<'_>,
    what: &str,
    most: usize,
) -> Result<Vec<Secret>, Failure> {
    let bytes = most.saturating_mul(limits::TOKEN_BYTES + 2).min(limits::API_BODY_BYTES);
    if from == Path::new("-") && io.typed {
        let _ = writeln!(io.err, "Type {what}, then end with Ctrl-D:");
    }
    let hidden = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Failure::Usage(NEVER_ARGUMENTS.to_owned()),
        _ => Failure::Read { what: "the file of tokens".to_owned(), source },
    };
    let content = read(open(from, io).await.map_err(hidden)?, bytes)
        .await
        .map_err(hidden)?
        .ok_or_else(|| {
            Failure::Input(format!(
                "there are more than {bytes} bytes to read: use `leakgate import --format list`"
            ))
        })?;
    Ok(content
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(most.saturating_add(1))
        .map(|line| Secret::new(line.to_vec()))
        .collect())
}

/// Reads a password: the first line of standard input, without the end of line alone.
pub(super) async fn read_password(io: &mut Io<'_>) -> Result<Secret, Failure> {
    if io.typed {
        let _ = writeln!(io.err, "Type the password (it is shown), then end with Ctrl-D:");
    }
    let failed = |source| Failure::Read { what: "the password".to_owned(), source };
    let input = open(Path::new("-"), io).await.map_err(failed)?;
    // Room for a line end behind the longest.
    let content = read(input, limits::PASSWORD_BYTES + 2).await.map_err(failed)?;
    let line = content.as_ref().and_then(|content| content.split(|&byte| byte == b'\n').next());
    let line = line.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    match line {
        Some(line) if !line.is_empty() => Ok(Secret::new(line.to_vec())),
        Some(_) => Err(Failure::Input(
            "there is no password in what was read: it is the first line of standard input"
                .to_owned(),
        )),
        None => Err(Failure::Input(format!(
            "the password is longer than {} bytes",
            limits::PASSWORD_BYTES
        ))),
    }
}

/// Reads one recorded raw request, head and body.
///
/// # Errors
/// Where it cannot be read, or is larger than is explained.
pub async fn read_request(from: &Path, io: &mut Io<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let what = || from.display().to_string();
    let failed = |source| Failure::Read { what: what(), source };
    let input = open(from, io).await.map_err(failed)?;
    read(input, limits::EXPLAIN_BYTES).await.map_err(failed)?.ok_or_else(|| {
        Failure::Input(format!(
            "{} is larger than the {} bytes that are explained",
            what(),
            limits::EXPLAIN_BYTES
        ))
    })
}

/// Opens the file, or standard input for `-`.
pub(super) async fn open(
    from: &Path,
    io: &mut Io<'_>,
) -> std::io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    if from == Path::new("-") {
        let taken = || std::io::Error::other("standard input was read already");
        return io.input.take().ok_or_else(taken);
    }
    Ok(Box::new(tokio::fs::File::open(from).await?))
}

/// Reads to the end; absent where that is more than `most` bytes.
async fn read(
    input: Box<dyn AsyncRead + Send + Unpin>,
    most: usize,
) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut content = Zeroizing::new(Vec::new());
    input.take(most as u64 + 1).read_to_end(&mut content).await?;
    Ok((content.len() <= most).then_some(content))
}
