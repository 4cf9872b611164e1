//! How long volumes take with SQLite.

crate::conformance::conformance! { crate::sqlite::fresh, [ignore = "measures"] =>
    volume::{
        a_hundred_thousand_tokens,
        ten_thousand_leaks_and_a_hundred_thousand_events,
        many_events_and_what_is_counted_of_them,
    }
}
