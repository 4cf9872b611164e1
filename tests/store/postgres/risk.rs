//! Risk, where several processes learn of uses.

use jiff::SignedDuration;
use leakgate::config::limits;
use leakgate::model::clock;
use leakgate::model::leak::Risk;
use leakgate::store::types::Registration;

use crate::databases::Database;
use crate::given::{TENANT, Use, a_use, actor, event, registration, token};

use super::open;

/// What one process found is not believed for ever: another one may have found something else since.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_another_process_found_is_not_overlooked() {
    let database = Database::new().await;
    let one = open(database.url()).await.unwrap().store;
    let other = open(database.url()).await.unwrap().store;
    let asked = Registration { risk: None, ..registration("shared", vec![token(&*one, "a")]) };
    let made = one.register(asked, &actor()).await.unwrap().leak.unwrap();
    let risk = async || one.leak(TENANT, made.id).await.unwrap().risk;
    let start = clock::now();
    one.append_events(&[event(a_use(&made))]).await.unwrap();
    one.settle_risks(start).await.unwrap();
    assert_eq!(risk().await, Risk::Critical);
    other.append_events(&[event(Use { status: Some(401), ..a_use(&made) })]).await.unwrap();
    other.settle_risks(start).await.unwrap();
    assert_eq!(risk().await, Risk::Info);
    // The first one has been told the same before.
    one.append_events(&[event(a_use(&made))]).await.unwrap();
    let later = start + SignedDuration::try_from(limits::RISK_BELIEVED).unwrap();
    one.settle_risks(later).await.unwrap();
    assert_eq!(risk().await, Risk::Critical);
    one.close().await;
    other.close().await;
    database.end().await;
}
