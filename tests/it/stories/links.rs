//! Sessions that are found by what they are linked to outside.

use tower_curfew::{ClientInfo, ErrorKind, NewSession, Selector};

use crate::support::{Site, days, on_every_store};

fn signed_in_by(sid: &str) -> NewSession {
    NewSession::for_user("ada").link("oidc", sid)
}

#[tokio::test]
async fn r40_sessions_are_listed_and_ended_by_a_link() {
    on_every_store(async |site| {
        let mut first = site.started(signed_in_by("sid-1")).await;
        let mut second = site.started(signed_in_by("sid-1").link("device", "laptop")).await;
        let mut other = site.started(signed_in_by("sid-2").link("device", "sid-1")).await;
        let which = Selector::link("oidc", "sid-1");
        let listed = site.curfew.list_by(&which).await.unwrap();
        let listed = listed.iter().map(|session| session.id()).collect::<Vec<_>>();
        assert_eq!(listed.len(), 2);
        for browser in [&first, &second] {
            assert!(listed.contains(&browser.session()));
        }
        assert_eq!(
            site.curfew.list_by(&Selector::link("device", "laptop")).await.unwrap().len(),
            1
        );

        assert_eq!(site.curfew.operator("tests").revoke(which.clone()).await.unwrap(), 2);
        assert_eq!(first.turned_away_because().await, "revoked");
        assert_eq!(second.turned_away_because().await, "revoked");
        assert!(other.is_signed_in().await, "the same value of another kind");
        assert_eq!(site.curfew.operator("tests").revoke(which).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn r40_a_session_keeps_its_links_whatever_becomes_of_it() {
    on_every_store(async |site| {
        let links = ["a", "b", "c", "d"].map(|kind| Selector::link(kind, "same: value"));
        let linked = ["a", "b", "c", "d"]
            .iter()
            .fold(NewSession::for_user("ada"), |new, kind| new.link(*kind, "same: value"));
        let mut ada = site.started(linked).await;
        site.pass(days(1));
        assert!(ada.is_signed_in().await);
        assert_eq!(ada.post("/rotate").await.status, 200);
        site.curfew.set_orgs("ada", ["acme"]).await.unwrap();
        site.curfew.set_orgs("ada", ["globex"]).await.unwrap();
        for link in &links {
            assert_eq!(site.curfew.list_by(link).await.unwrap().len(), 1, "{link:?}");
        }
        let narrowed = links[0].clone().except(ada.session());
        assert_eq!(site.curfew.operator("tests").revoke(narrowed).await.unwrap(), 0);
        assert_eq!(ada.post("/logout").await.status, 200);
        for link in &links {
            assert_eq!(site.curfew.list_by(link).await.unwrap().len(), 0, "{link:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r40_a_fifth_link_and_one_that_cannot_be_kept_are_refused_before_anything_is_stored() {
    let site = Site::new();
    let linked = |kinds: &[&str]| {
        kinds.iter().fold(NewSession::for_user("ada"), |new, kind| new.link(*kind, "x"))
    };
    for new in [
        linked(&["a", "b", "c", "d", "e"]),
        linked(&[""]),
        linked(&["A"]),
        linked(&["a:b"]),
        linked(&[&"a".repeat(33)]),
        NewSession::for_user("ada").link("oidc", ""),
        NewSession::for_user("ada").link("oidc", "a\0b"),
        NewSession::for_user("ada").link("oidc", "x".repeat(513)),
    ] {
        site.store.calls();
        let refused = site.curfew.start(new, &ClientInfo::for_tests()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidLink);
        assert_eq!(site.store.calls(), [""; 0]);
    }
    // The same one again is one.
    let new = linked(&["a", "b", "c", "d", "a"]);
    site.started(new).await;
    let never = Selector::link("Not a kind", "x");
    assert_eq!(site.curfew.operator("tests").revoke(never).await.unwrap(), 0);
}
