//! `/users`.

use serde_json::{Value, json};

use super::support::{Api, PASSWORD, id};

#[tokio::test]
async fn are_made_changed_and_removed() {
    let api = Api::new().await;
    let ada = api.user(" Ada ", "analyst").await;
    assert_eq!((&ada["name"], &ada["role"]), (&json!("ada"), &json!("analyst")));
    assert_eq!((&ada["tenant"], &ada["disabled"]), (&json!("default"), &json!(false)));
    assert!(!ada.to_string().contains("argon2") && !ada.to_string().contains(PASSWORD));
    let body = json!({"name": "ADA", "role": "analyst", "password": PASSWORD});
    api.post("/users", body).await.problem(409, "exists");

    let path = format!("/users/{}", id(&ada));
    let change = json!({"role": "administrator", "disabled": true});
    let changed = api.call("PATCH", &path, change).await.expect(200);
    assert_eq!((&changed["role"], &changed["disabled"]), (&json!("administrator"), &json!(true)));
    assert_eq!(api.get(&path).await.expect(200), changed);
    let listed = api.get("/users").await.expect(200);
    let names: Vec<&Value> =
        listed["items"].as_array().unwrap().iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["admin", "ada"]);
    let first = api.get("/users?limit=1").await.expect(200);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = api.get(&format!("/users?limit=1&cursor={next}")).await.expect(200);
    assert_eq!(rest["items"][0]["name"], "ada");
    assert!(rest["next_cursor"].is_null());

    api.call("DELETE", &path, Value::Null).await.expect(204);
    api.call("DELETE", &path, Value::Null).await.problem(404, "not-found");
    let audit = api.get("/audit").await.expect(200);
    let said: Vec<String> = audit["items"].as_array().unwrap()[..3]
        .iter()
        .map(|entry| format!("{} {}", entry["action"], entry["detail"]).replace('"', ""))
        .collect();
    assert_eq!(
        said,
        [
            "remove_user ada",
            "change_user ada: role: analyst → administrator; disabled",
            "add_user ada, analyst"
        ]
    );
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    for (body, field) in [
        (json!({"role": "analyst", "password": PASSWORD}), "name"),
        (json!({"name": " ", "role": "analyst", "password": PASSWORD}), "name"),
        (json!({"name": "x", "role": "root", "password": PASSWORD}), "role"),
        (json!({"name": "x", "role": "analyst"}), "password"),
        (json!({"name": "x", "role": "analyst", "password": "short"}), "password"),
        (json!({"name": "x", "role": "analyst", "password": "aaaaaaaaaaaaaaa"}), "password"),
        (json!({"name": "x", "role": "analyst", "password": "x".repeat(2_000)}), "password"),
        (
            json!({"name": "ada.lovelace.x", "role": "analyst", "password": "Ada.Lovelace.X"}),
            "password",
        ),
    ] {
        let problem = api.post("/users", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field);
    }
}

#[tokio::test]
async fn nobody_makes_one_with_more_rights_than_their_own() {
    let api = Api::new().await;
    let administrator = api.credential("administrator").await;
    let call = async |method: &str, path: &str, body: Value| {
        api.call_as(&administrator, method, path, body).await
    };
    let high = json!({"name": "up", "role": "global_analyst", "password": PASSWORD});
    call("POST", "/users", high).await.problem(403, "forbidden");
    let low = json!({"name": "low", "role": "administrator", "password": PASSWORD});
    let low = call("POST", "/users", low).await.expect(201);
    let path = format!("/users/{}", id(&low));
    let raise = json!({"role": "global_administrator"});
    call("PATCH", &path, raise).await.problem(403, "forbidden");

    let users = api.get("/users").await.expect(200);
    let admin = format!("/users/{}", id(&users["items"][0]));
    for change in
        [json!({"password": PASSWORD}), json!({"role": "analyst"}), json!({"disabled": true})]
    {
        call("PATCH", &admin, change).await.problem(403, "forbidden");
    }
    call("DELETE", &admin, Value::Null).await.problem(403, "forbidden");
    let everywhere = format!("/sessions?user={}", id(&users["items"][0]));
    call("DELETE", &everywhere, Value::Null).await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_last_global_administrator_stays() {
    let api = Api::new().await;
    let users = api.get("/users").await.expect(200);
    let admin = format!("/users/{}", id(&users["items"][0]));
    for change in [json!({"role": "administrator"}), json!({"disabled": true})] {
        api.call("PATCH", &admin, change).await.problem(409, "last-administrator");
    }
    api.call("DELETE", &admin, Value::Null).await.problem(409, "last-administrator");
    let second = api.user("second", "global_administrator").await;
    let off = json!({"disabled": true});
    api.call("PATCH", &format!("/users/{}", id(&second)), off).await.expect(200);
    api.call("DELETE", &admin, Value::Null).await.problem(409, "last-administrator");
    let on = json!({"disabled": false});
    api.call("PATCH", &format!("/users/{}", id(&second)), on).await.expect(200);
    api.call("DELETE", &admin, Value::Null).await.expect(204);
}
