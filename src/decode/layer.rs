//! The encodings that are undone, by name.

/// One encoding that can be undone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// `%41`, and `%u0041` of older stacks.
    Percent,
    /// Escapes of JSON strings, with those of JSON5, YAML and GraphQL.
    Json,
    /// `+` for a space.
    Form,
    /// Character references of XML and HTML: `&#65;`, `&#x41;`, `&lowbar;`.
    Entity,
    /// References to what an XML document declares itself, in its DTD.
    Dtd,
    /// Comments, processing instructions and the brackets of CDATA sections of XML and HTML, which
    /// are taken away.
    Markup,
    /// `=41` and soft line breaks.
    QuotedPrintable,
    /// Backslashes of quoted strings in header fields: `\s` for `s`, and `\163` of cookies. Undone
    /// only where asked for, and only in texts given whole: see [`Relevant::and`].
    ///
    /// [`Relevant::and`]: super::Relevant::and
    Quoted,
    /// Letters, digits and signs as UTF-8 of two bytes, which is too long: `C1 81` for `A`. Undone
    /// only where asked for, and only in texts given whole.
    Utf8,
    /// Base64, standard or URL-safe.
    Base64,
    /// Two digits a byte.
    Hex,
    /// Encoded words of mail in a header field: `=?utf-8?Q?=41?=`.
    Words,
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
pub(super) const ESCAPES: [Layer; 5] =
    [Layer::Percent, Layer::Json, Layer::Form, Layer::Entity, Layer::Markup];

/// Those of them that are undone in texts given whole.
pub(super) const ESCAPES_OF_WHOLE: [Layer; 7] = [
    Layer::Percent,
    Layer::Json,
    Layer::Form,
    Layer::Entity,
    Layer::Markup,
    Layer::Quoted,
    Layer::Utf8,
];

impl Layer {
    /// The name in `encodings` of an event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Json => "json",
            Self::Form => "form",
            Self::Entity => "entity",
            Self::Dtd => "dtd",
            Self::Markup => "markup",
            Self::QuotedPrintable => "quoted-printable",
            Self::Quoted => "quoted",
            Self::Utf8 => "utf8",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Words => "encoded-word",
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
