//! The encodings that are undone, by name.

/// One encoding that can be undone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// `%41`, and `%u0041` of older stacks.
    Percent,
    /// Escapes of JSON strings, with those of JSON5 and GraphQL.
    Json,
    /// `+` for a space.
    Form,
    /// Base64, standard or URL-safe.
    Base64,
    /// Two digits a byte.
    Hex,
    /// `=41` and soft line breaks, as mail has them.
    QuotedPrintable,
    /// Parameters of a header field that are continued or extended, as in `filename*0*`.
    Parameter,
    /// A gzip file.
    Gzip,
    /// Deflate, with or without the frame of zlib.
    Deflate,
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
    /// UTF-16 of either order.
    Utf16,
    /// UTF-32 of either order.
    Utf32,
    /// UTF-7.
    Utf7,
    /// Another charset in which ASCII is not written as ASCII, by name.
    Charset(&'static str),
}

/// The layers that change a text only at their marks.
pub(super) const ESCAPES: [Layer; 3] = [Layer::Percent, Layer::Json, Layer::Form];

impl Layer {
    /// The name in `encodings` of an event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Json => "json",
            Self::Form => "form",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::QuotedPrintable => "quoted-printable",
            Self::Parameter => "parameter",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Utf16 => "utf-16",
            Self::Utf32 => "utf-32",
            Self::Utf7 => "utf-7",
            Self::Charset(name) => name,
        }
    }
}
