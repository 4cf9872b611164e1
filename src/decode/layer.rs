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
        }
    }
}
