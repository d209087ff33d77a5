//! The sessions that people see of themselves, and end.

use tower_curfew::{Limits, NewSession, OrgPolicy, Selector, SessionKind};

use crate::support::{Fault, MS, Site, days, hours, on_every_store, on_every_store_with};

async fn names(site: &Site, user: &str) -> Vec<String> {
    let list = site.curfew.list(user).await.unwrap();
    list.iter().map(|session| session.name().unwrap_or("-").to_owned()).collect()
}

fn named(name: impl Into<String>) -> NewSession {
    NewSession::for_user("ada").named(name)
}

#[tokio::test]
async fn r24_a_list_shows_all_living_sessions_and_no_dead_ones_the_newest_first() {
    on_every_store_with(
        |builder| builder.limits(Limits::idle(days(7))),
        async |site| {
            let mut idle = site.started(named("idle")).await;
            site.pass(MS);
            let mut used = site.started(named("used")).await;
            site.pass(MS);
            let mut brief = site.started(named("brief").at_most(Limits::absolute(hours(1)))).await;
            site.pass(days(3));
            assert!(used.is_signed_in().await);
            let mut revoked = site.started(named("revoked").orgs(["acme"])).await;
            let mut gone = site.started(named("gone")).await;
            gone.post("/logout").await;
            site.revoke_org("acme").await;
            site.pass(MS);
            let mut under_policy = site.started(named("policy").orgs(["globex"])).await;
            let _stranger = site.started(NewSession::for_user("grace").named("grace")).await;
            site.pass(MS);
            let mut new = site.started(named("new").until_browser_closes()).await;
            assert_eq!(names(&site, "ada").await, ["new", "policy", "used", "idle"]);
            assert_eq!(names(&site, "grace").await, ["grace"]);
            assert_eq!(names(&site, "nobody").await, [""; 0]);

            site.set_policy("globex", OrgPolicy::absolute(hours(1))).await;
            site.pass(days(4) - MS * 5);
            assert_eq!(names(&site, "ada").await, ["new", "used", "idle"]);
            site.pass(MS);
            assert_eq!(names(&site, "ada").await, ["new", "used"]);
            // Who is on the list is let in, who is not is not.
            for alive in [&mut new, &mut used] {
                assert!(alive.is_signed_in().await);
            }
            for (over, why) in [
                (&mut idle, "idle"),
                (&mut brief, "absolute"),
                (&mut revoked, "revoked acme"),
                (&mut under_policy, "absolute globex"),
            ] {
                assert_eq!(over.turned_away_because().await, why);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn r24_an_entry_says_what_it_is_when_it_began_and_when_it_will_end() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        let new = named("at the library").orgs(["globex", "acme"]).until_browser_closes();
        let mut ada = site.started(new).await;
        let signed_in = site.session(&ada).await.created_at();
        site.pass(hours(2));
        assert!(ada.is_signed_in().await);
        let list = site.curfew.list("ada").await.unwrap();
        let [entry] = &list[..] else { panic!("{list:?}") };
        assert_eq!((entry.id(), entry.user()), (ada.session(), "ada"));
        assert_eq!(
            (entry.name(), entry.kind()),
            (Some("at the library"), SessionKind::BrowserUntilClosed)
        );
        assert!(entry.orgs().eq(["acme", "globex"]));
        assert_eq!((entry.created_at(), entry.authenticated_at()), (signed_in, signed_in));
        assert_eq!(entry.updated_at(), signed_in + hours(2));
        assert_eq!(entry.ends_at(), Some(signed_in + days(7)));
        assert_eq!(entry.bound_by().unwrap().org.as_deref(), Some("acme"));
        let idle = entry.schedule().idle.as_ref().unwrap();
        assert_eq!((idle.at, &idle.org), (signed_in + hours(2) + days(28), &None));
    })
    .await;
}

#[tokio::test]
async fn r24_none_is_left_out_where_a_page_of_the_list_ends() {
    on_every_store(async |site| {
        // Some of them began in the same millisecond.
        for n in 0..250 {
            let _ = site.started(named(n.to_string())).await;
            if n % 70 == 0 {
                site.pass(MS);
            }
        }
        let list = site.curfew.list("ada").await.unwrap();
        let order: Vec<_> =
            list.iter().map(|session| (session.created_at(), session.id())).collect();
        assert!(order.is_sorted_by(|one, next| one > next));
        let mut names = names(&site, "ada").await;
        names.sort_by_key(|name| name.parse::<u32>().unwrap());
        assert!((0..250).map(|n| n.to_string()).eq(names));
    })
    .await;
}

#[tokio::test]
async fn r25_one_ends_ones_own_by_id_and_a_strangers_answers_like_an_unknown_one() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut grace = site.signed_in("grace", &[]).await;
        let unknown = tower_curfew::SessionId::from_bytes([7; 16]);
        let operator = site.curfew.operator("tests");
        let own = |id| operator.revoke(Selector::user("ada").only(id));
        assert_eq!(own(unknown).await.unwrap(), 0);
        assert_eq!(own(grace.session()).await.unwrap(), 0);
        assert!(grace.is_signed_in().await);
        assert_eq!(own(ada.session()).await.unwrap(), 1);
        assert_eq!(own(ada.session()).await.unwrap(), 0, "it is over, which is no error");
        assert_eq!(ada.turned_away_because().await, "revoked");
    })
    .await;
}

#[tokio::test]
async fn r26_one_ends_all_ones_own_or_all_but_the_current_one() {
    on_every_store(async |site| {
        let mut current = site.signed_in("ada", &[]).await;
        let mut phone = site.signed_in("ada", &[]).await;
        let mut grace = site.signed_in("grace", &[]).await;
        let others = Selector::user("ada").except(current.session());
        assert_eq!(site.curfew.operator("tests").revoke(others.clone()).await.unwrap(), 1);
        assert_eq!(site.curfew.operator("tests").revoke(others).await.unwrap(), 0);
        assert_eq!(phone.turned_away_because().await, "revoked");
        assert!(current.is_signed_in().await);
        let _new = site.signed_in("ada", &[]).await;
        assert_eq!(site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap(), 2);
        assert_eq!(current.turned_away_because().await, "revoked");
        assert!(grace.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r05_r32_a_list_tells_of_no_end_that_could_not_be_written() {
    on_every_store(async |site| {
        let mut idle = site.started(named("idle")).await;
        site.pass(days(28));
        let _new = site.started(named("new")).await;
        site.store.break_only("end", Fault::Fail);
        site.store.calls();
        let refused = site.curfew.list("ada").await.unwrap_err();
        assert_eq!(refused.kind(), tower_curfew::ErrorKind::Unavailable);
        assert_eq!(site.store.calls(), ["list", "end"]);
        site.store.mend();
        assert_eq!(names(&site, "ada").await, ["new"]);
        assert_eq!(site.store.calls(), ["list", "end"], "the next one tries again");
        assert_eq!(names(&site, "ada").await, ["new"]);
        assert_eq!(site.store.calls(), ["list"]);
        assert_eq!(idle.turned_away_because().await, "idle");
    })
    .await;
}
