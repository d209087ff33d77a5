//! Signing in where somebody is signed in already.

use tower_curfew::{AtCap, Selector};

use crate::support::{Fault, on_every_store, on_every_store_with};

#[tokio::test]
async fn r28_a_sign_in_that_fails_leaves_the_browser_with_what_it_had() {
    on_every_store(async |site| {
        for (call, fault) in [
            ("rules_since", Fault::Fail),
            ("insert", Fault::Fail),
            ("insert", Fault::LoseAnswer),
            ("end", Fault::Fail),
            ("end", Fault::LoseAnswer),
        ] {
            let mut ada = site.signed_in("ada", &["acme"]).await;
            let (cookie, session) = (ada.cookie.clone(), ada.session());
            site.store.break_once(call, fault);
            let answer = ada.post("/login?user=ada").await;
            assert_eq!(answer.status, 503, "{call}, {fault:?}");
            assert_eq!(answer.set_cookies(), [""; 0], "{call}, {fault:?}");
            assert_eq!(ada.cookie, cookie);
            // Whoever did not hear that it has ended may find that it has.
            let may_have_ended = (call, fault) == ("end", Fault::LoseAnswer);
            let is_signed_in = ada.is_signed_in().await;
            assert!(is_signed_in || may_have_ended, "{call}, {fault:?}");
            // Of one that was begun all the same nobody has the secret; it ends if that can be done.
            let list = site.curfew.list("ada").await.unwrap();
            let others = list.iter().filter(|listed| listed.id() != session).count();
            let may_be_left = (call, fault) == ("insert", Fault::LoseAnswer);
            assert_eq!(others, usize::from(may_be_left), "{call}, {fault:?}");
            site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn r28_a_sign_in_that_is_refused_leaves_the_browser_with_what_it_had() {
    let cap = |builder: tower_curfew::Builder| builder.at_most_per_user(1, AtCap::Refuse);
    on_every_store_with(cap, async |site| {
        let mut elsewhere = site.signed_in("ada", &[]).await;
        let mut browser = site.signed_in("grace", &[]).await;
        let cookie = browser.cookie.clone();
        let answer = browser.post("/login?user=ada").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies()), (409, vec![]));
        assert_eq!(browser.cookie, cookie);
        assert_eq!(browser.open("/").await.body, "hello grace");
        assert!(elsewhere.is_signed_in().await);
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 1);
    })
    .await;
}
