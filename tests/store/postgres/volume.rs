//! How long volumes take with PostgreSQL.

crate::conformance::conformance! { crate::postgres::fresh, [ignore = "measures"] =>
    volume::{
        a_hundred_thousand_tokens,
        ten_thousand_leaks_and_a_hundred_thousand_events,
        many_events_and_what_is_counted_of_them,
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn a_million_leaks() {
    let fresh = super::fresh().await;
    let filling = crate::volume::million(include_str!("../../volume/leaks.postgres.sql"));
    fresh.database.execute(filling).await;
    crate::volume::a_million_leaks(fresh.store()).await;
    fresh.end().await;
}
