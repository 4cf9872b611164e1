//! Cursors of lists: where the next page begins, bound to the query that made them.

use std::fmt::Debug;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::config::limits;

/// The value that a list is sorted by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum SortKey {
    /// A number or a time.
    Number(i64),
    /// A text.
    Text(String),
}

/// The place of a page's last item in its list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    /// What the list is sorted by.
    #[serde(rename = "k")]
    pub(super) key: SortKey,
    /// The item's id, for items of equal key.
    #[serde(rename = "i")]
    pub(super) id: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    #[serde(rename = "q")]
    query: String,
    #[serde(flatten)]
    place: Place,
}

/// What a cursor is bound to: the list and everything that narrows or orders it, but not the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Binding(String);

impl Binding {
    /// The binding to a list and its parameters. A new version of the program may write them
    /// differently; its cursors are then new ones.
    pub(super) fn new(list: &str, parameters: &impl Debug) -> Self {
        let text = format!("{list}\n{parameters:?}");
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default()))
    }

    /// The cursor of the page after `place`.
    pub(super) fn cursor(&self, place: Place) -> Result<String, StoreError> {
        let cursor = Cursor { query: self.0.clone(), place };
        serde_json::to_vec(&cursor)
            .map(|json| URL_SAFE_NO_PAD.encode(json))
            .map_err(|error| StoreError::Failed(format!("a cursor cannot be written: {error}")))
    }

    /// Where the page begins.
    pub(super) fn place(&self, cursor: Option<&str>) -> Result<Option<Place>, StoreError> {
        let Some(text) = cursor else { return Ok(None) };
        if text.len() > limits::CURSOR_BYTES {
            return Err(StoreError::BadCursor);
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::BadCursor)?;
        let cursor: Cursor = serde_json::from_slice(&json).map_err(|_| StoreError::BadCursor)?;
        if cursor.query != self.0 {
            return Err(StoreError::BadCursor);
        }
        Ok(Some(cursor.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_only_its_query() {
        let binding = Binding::new("leaks", &("tenant", 1));
        for key in [SortKey::Number(-7), SortKey::Text("ein „Titel“".to_owned())] {
            let place = Place { key, id: vec![0, 255, 3] };
            let cursor = binding.cursor(place.clone()).unwrap();
            assert_eq!(binding.place(Some(&cursor)).unwrap(), Some(place));
            let other = Binding::new("leaks", &("tenant", 2));
            assert!(matches!(other.place(Some(&cursor)), Err(StoreError::BadCursor)));
        }
        assert_eq!(binding.place(None).unwrap(), None);
        for bad in ["", "?", "bm90IGpzb24", &"A".repeat(100_000)] {
            assert!(matches!(binding.place(Some(bad)), Err(StoreError::BadCursor)), "{bad:.9}");
        }
    }
}
