//! How single values of bodies and queries are read. A query says lists as `a,b` or by repeating
//! the name, a body as an array, and both are read into the same types.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// How this module's own messages begin, so that they can be told from those of libraries, which
/// may repeat what was sent.
pub(super) const OURS: &str = "expected: ";

/// A list: an array, or text with commas.
pub(in crate::control) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.split(',')
                .map(|part| T::deserialize(StrDeserializer::<E>::new(part.trim())))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = seq.next_element()? {
                values.push(value);
            }
            Ok(values)
        }
    }

    deserializer.deserialize_any(List(PhantomData))
}

/// A whole number, as a number or as text.
pub(in crate::control) fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<Option<u64>, E> {
            Ok(Some(value))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<u64>, E> {
            // As many as the document of the API lets it have: those of a signed number.
            let number: Result<i64, _> = text.parse();
            number
                .ok()
                .and_then(|number| u64::try_from(number).ok())
                .map(Some)
                .ok_or_else(|| E::custom(format_args!("{OURS}a whole number")))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Number)
}

/// A time, or nothing.
pub(in crate::control) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?
        .map(|text| {
            text.trim().parse().map_err(|_| {
                de::Error::custom(format_args!("{OURS}a time such as 2026-01-31T12:00:00Z"))
            })
        })
        .transpose()
}

/// A field that tells apart "not sent" (`None`), `null` (`Some(None)`) and a value.
pub(in crate::control) fn nullable<'de, D, T>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The same for a time.
pub(in crate::control) fn nullable_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Timestamp>>, D::Error> {
    time(deserializer).map(Some)
}
