//! The rules of an organization, as a store keeps them.

use axum::body::Body;
use axum::http::{Request, header};
use time::Duration;
use tower_curfew::store::{MemoryStore, OrgRules, Store as _};
use tower_curfew::{
    ClientInfo, EndReason, Ended, ErrorKind, NewSession, OrgPolicy, Presence, SetCookie,
};

use crate::site::{Site, now, wait};

pub(crate) const SIDES: &[&str] = &["unreadable", "without a policy", "with a policy", "full"];

const ORG: &str = "acme";

/// Rules that can be read are written as they were. Whatever their history, a new policy binds the
/// sessions of the organization, and a revocation ends them.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let Ok(rules) = OrgRules::decode(data) else { return "unreadable" };
    let bytes = rules.encode();
    assert_eq!(OrgRules::decode(&bytes), Ok(rules.clone()));
    assert!(rules.versions().is_sorted_by(|one, other| one.number < other.number));
    for version in rules.versions() {
        let limits = version.policy.map(|policy| (policy.absolute_limit(), policy.idle_limit()));
        let (absolute, idle) = limits.unwrap_or_default();
        assert_eq!(OrgPolicy::try_new(absolute, idle), Ok(version.policy));
    }
    assert!(rules.revision().as_u64() < 1 << 63, "stores keep it as a signed number");
    binds(&rules)
}

fn binds(rules: &OrgRules) -> &'static str {
    let store = MemoryStore::new();
    let stored = wait(store.replace_rules(ORG, rules.clone(), now()));
    assert!(stored.expect("memory does not fail"), "there were none");
    let site = Site::new(store);
    let operator = site.curfew.operator("fuzz");
    let member = member(&site);
    assert!(matches!(presence(&site, &member), Presence::Live(_)), "a session outlasts its start");

    let minutes = Duration::minutes(5);
    let set = wait(operator.set_policy(ORG, OrgPolicy::absolute(minutes)));
    if let Err(error) = &set {
        assert_eq!(error.kind(), ErrorKind::TooManyPolicies, "{error}");
    } else {
        let version = wait(site.curfew.policy(ORG)).expect("it can be read");
        assert_eq!(version.and_then(|version| version.policy), Some(OrgPolicy::absolute(minutes)));
        site.clock.advance(minutes);
        assert!(presence(&site, &member).session().is_none(), "the policy binds it");
    }

    let later = self::member(&site);
    assert!(matches!(presence(&site, &later), Presence::Live(_)), "it has only begun");
    wait(operator.revoke_org(ORG)).expect("whatever their history, they can be revoked");
    let Presence::Ended(Ended { reason: EndReason::Revoked, org, .. }) = presence(&site, &later)
    else {
        panic!("it was revoked");
    };
    assert_eq!(org.as_deref(), Some(ORG));
    let again = self::member(&site);
    assert!(matches!(presence(&site, &again), Presence::Live(_)), "only those before are over");
    match rules.policy() {
        _ if set.is_err() => "full",
        Some(_) => "with a policy",
        None => "without a policy",
    }
}

fn member(site: &Site) -> SetCookie {
    let new = NewSession::for_user("ada").orgs([ORG]);
    wait(site.curfew.start(new, &ClientInfo::for_tests())).expect("there is room for a session")
}

fn presence(site: &Site, cookie: &SetCookie) -> Presence {
    let request = Request::get("/").header(header::COOKIE, cookie.request_header());
    site.seen(request.body(Body::empty()).expect("a cookie is a value")).0.presence
}
