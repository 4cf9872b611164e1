//! How long volumes take with SQLite.

crate::conformance::conformance! { crate::sqlite::fresh, [ignore = "measures"] =>
    volume::{ a_hundred_thousand_tokens, ten_thousand_leaks_and_a_hundred_thousand_events }
}
