//! Tokens, and what clients that have one can read.

use super::*;

#[tokio::test]
async fn a_token_is_shown_once_and_deleted() {
    let (app, clock) = demo();
    let mut ada = Browser::signed_in(&app, "ada", "lovelace").await;
    let page = ada.post(TOKENS, "name=%3Cbackup%3E").await.1;
    let token = between(&page, r#"<code id="token">"#, "<").to_owned();
    let list = ada.get(LIST).await.1;
    assert!(token.starts_with("curfew_") && !list.contains(&token), "{list}");
    assert!(list.contains("<strong>&lt;backup&gt;</strong>"), "{list}");
    assert!(list.contains(r#"data-label="Program">Not used yet</td>"#), "{list}");
    assert!(list.contains(r#"data-label="Last used">never</td>"#), "{list}");
    clock.advance(Duration::minutes(10));
    let mut program = Browser { app: app.clone(), cookie: None };
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(program.send(request.body(Body::empty()).unwrap()).await.0, 200);
    clock.advance(Duration::minutes(4));
    let list = ada.get(LIST).await.1;
    assert!(list.contains("4 minutes ago") && !list.contains("Not used yet"), "{list}");
    let id = between(&list, "data-token=\"", "\"");
    let delete = format!("{TOKENS}/{id}/delete");
    assert!(list.contains("Delete this token?"), "{list}");
    assert_eq!(ada.get(&delete).await, (303, LIST.to_owned()), "a link deletes nothing");
    assert_eq!(ada.post(&delete, "").await, (303, format!("{LIST}?done=deleted")));
    assert!(!ada.get(LIST).await.1.contains("data-token"));
}

#[tokio::test]
async fn clients_can_read_how_to_use_the_routes() {
    let (app, _) = demo();
    let mut anybody = Browser { app, cookie: None };
    let (status, description) = anybody.get("/assets/openapi.json").await;
    assert_eq!(status, 200);
    assert!(description.contains("\"/api/sessions/{id}\""), "{description}");
}
