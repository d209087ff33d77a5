use tower_curfew::OrgPolicy;
use tower_curfew::store::{Store as _, copy};

use crate::support::{AnyStore, Browser, Site, days, hours};

/// A site that moves to another store signs nobody out, and lets nobody back in.
#[tokio::test]
async fn r05_whoever_is_signed_in_stays_so_on_another_store_and_nobody_else() {
    for to in AnyStore::all().await {
        if to.scan(None, 1).await.is_err() {
            eprintln!("skipped over {to:?}, which does not scan");
            continue;
        }
        eprintln!("over {to:?}");
        let from = AnyStore::memory();
        let old = Site::over(from.clone(), |builder| builder);
        old.set_policy("acme", OrgPolicy::absolute(hours(8))).await;
        let ada = old.signed_in("ada", &["acme"]).await;
        let bob = old.signed_in("bob", &["globex"]).await;
        let mut carol = old.signed_in("carol", &["acme"]).await;
        let cookie = carol.cookie.clone();
        assert_eq!(carol.post("/logout").await.status, 200);
        carol.cookie = cookie;
        let dave = old.signed_in("dave", &["initech"]).await;
        old.revoke_org("initech").await;

        let copied = copy(&from, &to, |_| {}).await.unwrap();
        assert_eq!((copied.records, copied.new, copied.unreadable), (4, 4, 0));

        let new = Site::over(to, |builder| builder);
        let there = |browser: &Browser| Browser { cookie: browser.cookie.clone(), ..new.browser() };
        assert!(there(&ada).is_signed_in().await);
        assert!(there(&bob).is_signed_in().await);
        assert!(!there(&carol).is_signed_in().await, "signed out before");
        assert!(!there(&dave).is_signed_in().await, "revoked before");
        let policy = new.curfew.policy("acme").await.unwrap();
        assert_eq!(policy.unwrap().policy, Some(OrgPolicy::absolute(hours(8))));

        // What happens there counts there.
        new.revoke_org("globex").await;
        assert!(!there(&bob).is_signed_in().await);
        let again = new.signed_in("bob", &["globex"]).await;
        assert!(there(&again).is_signed_in().await);
        new.pass(days(1));
        assert_eq!(there(&ada).turned_away_because().await, "absolute acme");
    }
}
