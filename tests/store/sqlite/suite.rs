//! The conformance suite over SQLite.

crate::conformance::all!(crate::sqlite::fresh, [doc = "Over SQLite."]);
