//! What somebody does in an emergency: it is done first, and counted afterwards.

use super::org_routes::{POLICY, PREVIEW, REVOKE, ask, grace};
use crate::support::{Fault, Site, days, hours, on_every_store};

#[tokio::test]
async fn r19_trap_43_one_record_that_cannot_be_read_stops_no_revocation() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        let damaged = site.signed_in("ada", &["acme"]).await;
        let mut others =
            [site.signed_in("ada", &["acme"]).await, site.signed_in("bob", &["acme"]).await];
        site.store.garble_record(damaged.session());
        let answer = ask(&mut grace, "POST", REVOKE, "").await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (200, r#"{"ended":2,"at_least":true}"#)
        );
        for other in &mut others {
            assert_eq!(other.turned_away_because().await, "revoked acme");
        }
        site.store.mend();
        assert_eq!(damaged.clone().turned_away_because().await, "revoked acme");
    })
    .await;
}

#[tokio::test]
async fn r14_trap_43_one_record_that_cannot_be_read_stops_no_policy() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        let damaged = site.signed_in("ada", &["acme"]).await;
        let mut other = site.signed_in("bob", &["acme"]).await;
        site.store.garble_record(damaged.session());
        site.pass(hours(2));
        let answer = ask(&mut grace, "PUT", POLICY, r#"{"absolute_seconds":3600}"#).await;
        let counted = r#"{"ends_now":1,"shortened":0,"at_least":true}"#;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, counted));
        assert_eq!(other.turned_away_because().await, "absolute acme");
        let preview = ask(&mut grace, "POST", PREVIEW, r#"{"idle_seconds":600}"#).await;
        assert_eq!(preview.json()["at_least"], true);
    })
    .await;
}

#[tokio::test]
async fn r19_trap_43_it_is_done_before_anything_is_counted() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        let mut ada = site.signed_in("ada", &["acme"]).await;
        for (method, path, body) in
            [("PUT", POLICY, r#"{"absolute_seconds":86400}"#), ("POST", REVOKE, "")]
        {
            site.store.calls();
            assert_eq!(ask(&mut grace, method, path, body).await.status, 200);
            let calls = site.store.calls();
            let at = |call| calls.iter().position(|made| *made == call);
            assert!(at("replace_rules").is_some() && at("replace_rules") < at("list"), "{calls:?}");
        }
        assert_eq!(ada.turned_away_because().await, "revoked acme");

        // And where nothing can be counted, it is done all the same.
        let mut ada = site.signed_in("ada", &["acme"]).await;
        site.store.break_only("list", Fault::Fail);
        let answer = ask(&mut grace, "POST", REVOKE, "").await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (200, r#"{"ended":0,"at_least":true}"#)
        );
        site.store.mend();
        assert_eq!(ada.turned_away_because().await, "revoked acme");
    })
    .await;
}

#[tokio::test]
async fn r19_what_a_revocation_has_ended_is_counted_and_nothing_else() {
    on_every_store(async |site: Site| {
        let mut grace = grace(&site, &["acme"]).await;
        for orgs in [&["acme"][..], &["acme", "globex"], &["globex"], &[]] {
            site.signed_in("ada", orgs).await;
        }
        let mut left = site.signed_in("bob", &["acme"]).await;
        left.post("/logout").await;
        site.pass(days(27));
        assert_eq!(ask(&mut grace, "GET", POLICY, "").await.status, 200);
        site.signed_in("eve", &["acme"]).await;
        site.pass(days(2));
        assert_eq!(ask(&mut grace, "GET", POLICY, "").await.status, 200);
        // Ada's are over since yesterday.
        let answer = ask(&mut grace, "POST", REVOKE, "").await;
        assert_eq!(answer.body, r#"{"ended":2}"#, "those of grace and eve");
        let mut grace = self::grace(&site, &[]).await;
        assert_eq!(ask(&mut grace, "POST", REVOKE, "").await.body, r#"{"ended":0}"#);
    })
    .await;
}
