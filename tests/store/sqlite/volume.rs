//! How long volumes take with SQLite.

crate::conformance::conformance! { crate::sqlite::fresh, [ignore = "measures"] =>
    volume::{
        a_hundred_thousand_tokens,
        ten_thousand_leaks_and_a_hundred_thousand_events,
        many_events_and_what_is_counted_of_them,
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn a_million_leaks() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("leakgate.db");
    super::open(&database).await.unwrap().store.close().await;
    let filling = crate::volume::million(include_str!("../../volume/leaks.sqlite.sql"));
    super::execute(&database, filling).await.unwrap();
    let store = super::open(&database).await.unwrap().store;
    crate::volume::a_million_leaks(store.as_ref()).await;
    store.close().await;
}
