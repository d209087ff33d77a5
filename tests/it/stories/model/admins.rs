//! What admins do: set and clear policies, and end all sessions of an organization.

use time::Duration;
use tower_curfew::{Error, ErrorKind, OrgPolicy};

use super::naive::Rule;
use super::world::World;
use super::{DAY, HOUR, MINUTE, ORGS};
use crate::support::Site;

const LENGTHS: [i64; 9] =
    [5 * MINUTE, 15 * MINUTE, HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 60 * DAY];

impl World {
    fn some_rule(&mut self) -> Rule {
        let chance = &mut self.chance;
        let [absolute, idle] = [(); 2].map(|()| Some(chance.one_of(&LENGTHS)));
        match self.chance.weighted(&[4, 4, 2, 3]) {
            0 => Rule { absolute, idle: None },
            1 => Rule { absolute: None, idle },
            2 => Rule { absolute, idle },
            _ => Rule::default(),
        }
    }

    pub async fn set_policy(&mut self) {
        let org = self.chance.below(ORGS);
        let rule = self.some_rule();
        let name = self.org(org);
        let (site, now) = self.node();
        let set = put(site, &name, rule).await;
        self.log(format!("{now} {name}: {rule:?}: {set:?}"));
        match set {
            Ok(()) => self.rule_set(org, rule, now),
            // R22.
            Err(error) if error.kind() == ErrorKind::TooManyPolicies => {
                if self.orgs[org].changes < 64 {
                    self.fail("too many policies");
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn rule_set(&mut self, org: usize, rule: Rule, now: i64) {
        // Set again as it is, it is not set again.
        if self.orgs[org].rule != rule {
            let at = self.orgs[org].set(rule, now);
            self.each_session(|session| session.rule_set(org, rule, at));
        }
    }

    /// Two admins save at the same moment: both take effect, in some order.
    pub async fn two_admins(&mut self) {
        let org = self.chance.below(ORGS);
        let [one, other] = [self.some_rule(), self.some_rule()];
        let current = self.orgs[org].rule;
        if one == other || one == current || other == current || self.orgs[org].changes > 50 {
            return;
        }
        let name = self.org(org);
        let (site, now) = self.node();
        let mut held = site.store.hold("replace_rules");
        let mut saves_one = Box::pin(put(site, &name, one));
        tokio::select! {
            biased;
            _ = &mut saves_one => panic!("nothing is saved without a call"),
            () = held.arrived() => {}
        }
        put(site, &name, other).await.unwrap();
        held.release();
        saves_one.await.unwrap();
        self.log(format!("{now} {name}: at once {other:?}, then {one:?}"));
        self.rule_set(org, other, now);
        self.rule_set(org, one, now);
    }

    pub async fn revoke_org(&mut self) {
        let org = self.chance.below(ORGS);
        let name = self.org(org);
        let (site, now) = self.node();
        site.curfew.operator("tests").revoke_org(&name).await.unwrap();
        self.log(format!("{now} {name} is revoked"));
        self.orgs[org].changes = 1;
        // No request has found it yet, so a slow one may still be let in.
        self.each_session(|session| session.over |= session.orgs[org]);
    }
}

async fn put(site: &Site, org: &str, rule: Rule) -> Result<(), Error> {
    match policy(rule) {
        Some(policy) => site.curfew.operator("tests").set_policy(org, policy).await,
        None => site.curfew.operator("tests").clear_policy(org).await,
    }
}

fn policy(rule: Rule) -> Option<OrgPolicy> {
    let length = |millis: Option<i64>| millis.map(Duration::milliseconds);
    OrgPolicy::try_new(length(rule.absolute), length(rule.idle)).unwrap()
}
