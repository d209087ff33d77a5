//! Rules and whoever is under them, on two nodes with copies of their own, at the same time, over a
//! store that fails between any two steps of a call.
//!
//! After each round of calls that ran at once nothing fails, and what has become of every session is
//! compared with what may and what must have become of it, in whatever order the calls took effect.

use std::collections::BTreeSet;

use time::Duration;
use tokio::task::JoinSet;
use tower_curfew::clock::Timestamp;
use tower_curfew::{Builder, Curfew, Error, ErrorKind, Limits, OrgPolicy};

use crate::support::{AnyStore, Browser, Chance, Site, days, hours, is_long, on_every_store_with};

const USERS: usize = 3;
const ORGS: [&str; 2] = ["acme", "globex"];
/// Everybody belongs to it.
const EVERYONE: usize = ORGS.len();

/// What the app allows.
const LONGEST: Duration = Duration::days(60);

#[derive(Clone, Debug)]
enum Call {
    SetPolicy(usize, Option<Duration>),
    Revoke(usize),
    SignIn(usize, BTreeSet<usize>),
    SetOrgs(usize, BTreeSet<usize>),
    Request(usize),
    List(usize),
}

/// What came of a call; `None` where the store was of no help.
#[derive(Debug)]
enum Answer {
    Done(Option<()>),
    SignedIn(Option<Browser>),
    Requested(Option<bool>),
    Listed(Option<Vec<tower_curfew::SessionId>>),
}

struct Known {
    browser: Browser,
    user: usize,
    created: Timestamp,
    orgs: BTreeSet<usize>,
    /// When it ends at the earliest, and at the latest.
    ends: [Timestamp; 2],
    over: bool,
}

struct World {
    nodes: [Site; 2],
    chance: Chance,
    /// In force, by organization, and last for everyone.
    policies: [Option<Duration>; ORGS.len() + 1],
    known: Vec<Known>,
    round: usize,
    log: Vec<String>,
}

fn patient(builder: Builder) -> Builder {
    builder.limits(Limits::absolute(LONGEST)).timeout(Duration::MINUTE).purge_by_hand()
}

/// In the order in which chance has it, over one thread, so that a seed plays it again.
#[tokio::test]
async fn r22_r32_whatever_a_store_fails_between_rules_bind_whom_they_must_and_nobody_else() {
    let rounds = if is_long() { 10_000 } else { 100 };
    on_every_store_with(patient, async |one| {
        let other = one.another_node(patient).await;
        let seed = std::env::var("CURFEW_SEED").map_or(7, |seed| seed.parse().unwrap());
        let mut world = World {
            nodes: [one, other],
            chance: Chance::new(seed),
            policies: [None; ORGS.len() + 1],
            known: Vec::new(),
            round: 0,
            log: Vec::new(),
        };
        for _ in 0..rounds {
            world.play_round().await;
        }
    })
    .await;
}

impl World {
    async fn play_round(&mut self) {
        self.round += 1;
        self.log.clear();
        self.pass_time();
        let calls = self.some_calls();
        for node in &self.nodes {
            node.store.crash_by(Chance::new(self.chance.next()));
        }
        let mut running = JoinSet::new();
        for (number, call) in calls.iter().enumerate() {
            let node = &self.nodes[self.chance.below(2)];
            let (router, curfew) = (node.router.clone(), node.curfew.clone());
            let browser = match call {
                Call::Request(at) => self.known[*at].browser.at(&router),
                _ => node.browser(),
            };
            let call = call.clone();
            running.spawn(async move { (number, made(call, curfew, browser).await) });
        }
        let mut answers = running.join_all().await;
        answers.sort_by_key(|(number, _)| *number);
        for node in &self.nodes {
            node.store.mend();
        }
        let answers = Vec::from_iter(answers.into_iter().map(|(_, answer)| answer));
        for (call, answer) in calls.iter().zip(&answers) {
            self.log.push(format!("{call:?}: {answer:?}"));
        }
        let before = self.policies;
        self.learn_policies(&calls, &answers).await;
        let mut may_be_over = self.conclude(&calls, &answers).await;
        self.meet(&calls, &answers, before, &mut may_be_over).await;
        self.compare(&calls, &answers, &may_be_over).await;
        while 8 < self.known.len() {
            self.known.remove(0);
        }
    }

    fn now(&self) -> Timestamp {
        self.nodes[0].now()
    }

    fn pass_time(&mut self) {
        let soon = self.known.iter().filter(|known| !known.over).map(|known| known.ends[0]);
        let soon = soon.min().filter(|at| self.now() <= *at);
        match (self.chance.weighted(&[50, 20, 20, 10]), soon) {
            (0, _) | (3, None) => {}
            (1, _) => self.nodes[0].pass(hours(self.chance.between(1, 30))),
            (2, _) => self.nodes[0].pass(days(self.chance.between(1, 4))),
            (_, Some(at)) => self.nodes[0].clock.set(at),
            (_, None) => {}
        }
    }

    fn some_orgs(&mut self) -> BTreeSet<usize> {
        (0..ORGS.len()).filter(|_| self.chance.percent(60)).collect()
    }

    fn some_calls(&mut self) -> Vec<Call> {
        let mut calls = Vec::<Call>::new();
        for _ in 0..self.chance.between(2, 5) {
            let org = self.chance.below(ORGS.len() + 1);
            let user = self.chance.below(USERS);
            let call = match self.chance.weighted(&[25, 10, 20, 20, 15, 10]) {
                0 => {
                    let length = days(self.chance.between(1, 30));
                    Call::SetPolicy(org, self.chance.percent(70).then_some(length))
                }
                1 => Call::Revoke(org),
                3 => {
                    let once =
                        |call: &Call| matches!(call, Call::SetOrgs(other, _) if *other == user);
                    if calls.iter().any(once) {
                        continue;
                    }
                    Call::SetOrgs(user, self.some_orgs())
                }
                4 if !self.known.is_empty() => Call::Request(self.chance.below(self.known.len())),
                5 => Call::List(user),
                _ => Call::SignIn(user, self.some_orgs()),
            };
            calls.push(call);
        }
        calls
    }

    /// What is in force afterwards: on both nodes the same, and something that somebody saved.
    async fn learn_policies(&mut self, calls: &[Call], answers: &[Answer]) {
        for org in 0..=EVERYONE {
            let mut shown = Vec::new();
            for node in &self.nodes {
                let in_force = match ORGS.get(org) {
                    Some(name) => node.curfew.policy(name).await,
                    None => node.curfew.policy_for_everyone().await,
                };
                let policy = in_force.unwrap().and_then(|version| version.policy);
                shown.push(policy.and_then(|policy| policy.absolute_limit()));
            }
            self.check(shown[0] == shown[1], format!("the nodes show {shown:?}"));
            let mut possible = Vec::new();
            let mut any_done = false;
            for (call, answer) in calls.iter().zip(answers) {
                if let Call::SetPolicy(of, length) = call
                    && *of == org
                {
                    any_done |= matches!(answer, Answer::Done(Some(())));
                    possible.push(*length);
                }
            }
            if !any_done {
                possible.push(self.policies[org]);
            }
            self.check(possible.contains(&shown[0]), format!("{shown:?} of {possible:?}"));
            self.policies[org] = shown[0];
        }
    }

    /// What the calls may and must have done to the sessions that were there before. Says which may
    /// have been revoked.
    async fn conclude(&mut self, calls: &[Call], answers: &[Answer]) -> Vec<bool> {
        let mut may_be_over = Vec::new();
        for at in 0..self.known.len() {
            let known = &self.known[at];
            let moved = calls.iter().zip(answers).find_map(|(call, answer)| match call {
                Call::SetOrgs(user, orgs) if *user == known.user => Some((orgs.clone(), answer)),
                _ => None,
            });
            let before = known.orgs.clone();
            let record = self.nodes[0].record(&known.browser).await;
            let after = record
                .memberships()
                .iter()
                .map(|membership| ORGS.iter().position(|org| **org == *membership.org).unwrap());
            let after = BTreeSet::from_iter(after);
            let expected = match &moved {
                None => after == before,
                // One that is over by itself need not be written as such, and may be left as it is.
                Some(_) if known.ends[1] <= self.now() || record.has_ended() => true,
                Some((orgs, Answer::Done(Some(())))) => after == *orgs,
                Some((orgs, _)) => after == *orgs || after == before,
            };
            let (now, facts) = (self.now(), record.display());
            self.check(expected, format!("at {now} it belongs to {after:?}:\n{facts}"));

            let created = self.known[at].created;
            let [mut earliest, mut latest] = self.known[at].ends;
            let (mut may, mut must) = (false, false);
            for (call, answer) in calls.iter().zip(answers) {
                let done = matches!(answer, Answer::Done(Some(())));
                match call {
                    Call::Revoke(org) if touches(*org, &before, &after) => {
                        may = true;
                        let stayed = moved.is_none() || *org == EVERYONE;
                        must |= done && stayed;
                    }
                    Call::SetPolicy(org, Some(length)) if touches(*org, &before, &after) => {
                        earliest = earliest.min(created + *length);
                        if done && (moved.is_none() || *org == EVERYONE) {
                            latest = latest.min(created + *length);
                        }
                    }
                    _ => {}
                }
            }
            for org in after.difference(&before) {
                // The one that was in force when it joined counts among what may bind.
                if let Some(length) = self.policies[*org] {
                    latest = latest.min(created + length);
                }
            }
            let known = &mut self.known[at];
            (known.orgs, known.ends) = (after, [earliest, latest]);
            if must {
                known.ends = [Timestamp::from_unix_millis(0); 2];
            }
            may_be_over.push(may);
        }
        may_be_over
    }

    /// Takes up who has signed in, and who has joined: what was in force before may bind them too.
    async fn meet(
        &mut self,
        calls: &[Call],
        answers: &[Answer],
        before: [Option<Duration>; ORGS.len() + 1],
        may_be_over: &mut Vec<bool>,
    ) {
        let saved = |org: usize| {
            let saved = calls.iter().filter_map(move |call| match call {
                Call::SetPolicy(of, length) if *of == org => *length,
                _ => None,
            });
            saved.chain(before[org]).min()
        };
        for at in 0..self.known.len() {
            let known = &mut self.known[at];
            for org in known.orgs.clone() {
                let earliest = saved(org).map_or(Timestamp::NEVER, |least| known.created + least);
                // Whoever was bound before is bound by it already.
                known.ends[0] = known.ends[0].min(earliest);
            }
        }
        for (call, answer) in calls.iter().zip(answers) {
            let (Call::SignIn(user, orgs), Answer::SignedIn(Some(browser))) = (call, answer) else {
                continue;
            };
            let created = self.now();
            let [mut earliest, mut latest] = [created + LONGEST; 2];
            for org in orgs.iter().copied().chain([EVERYONE]) {
                earliest = saved(org).map_or(earliest, |least| earliest.min(created + least));
                latest = self.policies[org].map_or(latest, |length| latest.min(created + length));
            }
            earliest = earliest.min(latest);
            // It may have moved already.
            let moves = |call: &&Call| matches!(call, Call::SetOrgs(other, _) if other == user);
            let mut orgs = orgs.clone();
            if let Some(Call::SetOrgs(_, others)) = calls.iter().find(moves) {
                let record = self.nodes[0].record(browser).await;
                let found = record.memberships().iter().map(|membership| {
                    ORGS.iter().position(|org| **org == *membership.org).unwrap()
                });
                let found = BTreeSet::from_iter(found);
                self.check(found == orgs || found == *others, format!("{found:?}"));
                for org in others.iter().chain(&orgs) {
                    earliest = saved(*org).map_or(earliest, |least| earliest.min(created + least));
                }
                latest = created + LONGEST;
                orgs = found;
            }
            let revoked = calls.iter().any(|call| match call {
                Call::Revoke(org) => touches(*org, &BTreeSet::from_iter(0..EVERYONE), &orgs),
                _ => false,
            });
            may_be_over.push(revoked);
            let ends = [earliest, latest];
            let browser = browser.clone();
            self.known.push(Known { browser, user: *user, created, orgs, ends, over: false });
        }
    }

    /// Asks both nodes for every session, now that nothing fails.
    async fn compare(&mut self, calls: &[Call], answers: &[Answer], may_be_over: &[bool]) {
        for (at, revoked) in may_be_over.iter().enumerate() {
            let now = self.now();
            let mut alive = Vec::new();
            let known = &self.known[at];
            for node in &self.nodes {
                let answer = known.browser.at(&node.router).fetch("GET", "/presence").await;
                self.check(answer.status == 200, format!("{answer:?}"));
                alive.push(answer.body.starts_with("live"));
                let listed = node.curfew.list(&format!("user{}", known.user)).await.unwrap();
                let id = known.browser.session();
                let entry = listed.iter().find(|entry| entry.id() == id);
                alive.push(entry.is_some());
                if let Some(entry) = entry {
                    let end = entry.schedule().absolute.as_ref().unwrap().at;
                    let [earliest, latest] = known.ends;
                    self.check(
                        earliest <= end && end <= latest,
                        format!("{id} ends at {end}, not from {earliest} to {latest}"),
                    );
                }
            }
            self.check(alive.iter().all(|one| *one == alive[0]), format!("{alive:?}"));
            let (alive, [earliest, latest]) = (alive[0], known.ends);
            let must = known.over || latest <= now;
            let may = must || *revoked || earliest <= now;
            let state = format!("{} alive: {alive}", known.browser.session());
            self.check(if alive { !must } else { may }, state);
            self.check_told(at, alive, calls, answers);
            self.known[at].over = !alive;
        }
    }

    /// Whoever was told in the round that a session is over was told for good.
    fn check_told(&self, at: usize, alive: bool, calls: &[Call], answers: &[Answer]) {
        let known = &self.known[at];
        let id = known.browser.session();
        for (call, answer) in calls.iter().zip(answers) {
            let told_over = match (call, answer) {
                (Call::Request(asked), Answer::Requested(Some(alive))) => *asked == at && !alive,
                (Call::List(user), Answer::Listed(Some(listed))) => {
                    // Those of this round may have begun after the list.
                    *user == known.user && known.created < self.now() && !listed.contains(&id)
                }
                _ => false,
            };
            self.check(!(told_over && alive), format!("{id} lives again"));
        }
    }

    #[track_caller]
    fn check(&self, holds: bool, what: String) {
        let (round, log) = (self.round, self.log.join("\n  "));
        assert!(holds, "round {round} over {:?}: {what}\n  {log}", self.nodes[0].store);
    }
}

/// Whether a change of these rules may concern a session that belongs, or belonged, to these.
fn touches(org: usize, before: &BTreeSet<usize>, after: &BTreeSet<usize>) -> bool {
    org == EVERYONE || before.contains(&org) || after.contains(&org)
}

async fn made(call: Call, curfew: Curfew, mut browser: Browser) -> Answer {
    let names = |orgs: &BTreeSet<usize>| Vec::from_iter(orgs.iter().map(|org| ORGS[*org]));
    match call {
        Call::SetPolicy(org, length) => {
            Answer::Done(helped(match (ORGS.get(org), length.map(OrgPolicy::absolute)) {
                (Some(org), Some(policy)) => {
                    curfew.operator("tests").set_policy(*org, policy).await
                }
                (Some(org), None) => curfew.operator("tests").clear_policy(*org).await,
                (None, Some(policy)) => {
                    curfew.operator("tests").set_policy_for_everyone(policy).await
                }
                (None, None) => curfew.operator("tests").clear_policy_for_everyone().await,
            }))
        }
        Call::Revoke(org) => Answer::Done(helped(match ORGS.get(org) {
            Some(org) => curfew.operator("tests").revoke_org(*org).await,
            None => curfew.operator("tests").revoke_everyone().await,
        })),
        Call::SetOrgs(user, orgs) => {
            Answer::Done(helped(curfew.set_orgs(&format!("user{user}"), names(&orgs)).await))
        }
        Call::SignIn(user, orgs) => {
            let orgs = names(&orgs).iter().map(|org| format!("&org={org}")).collect::<String>();
            let answer = browser.fetch("POST", &format!("/login?user=user{user}{orgs}")).await;
            Answer::SignedIn(answer.status.is_redirection().then_some(browser))
        }
        Call::Request(_) => {
            let answer = browser.fetch("GET", "/presence").await;
            let helped = answer.status == 200;
            Answer::Requested(helped.then(|| answer.body.starts_with("live")))
        }
        Call::List(user) => {
            let listed = helped(curfew.list(&format!("user{user}")).await);
            Answer::Listed(listed.map(|listed| listed.iter().map(|one| one.id()).collect()))
        }
    }
}

fn helped<T>(answer: Result<T, Error>) -> Option<T> {
    if let Err(error) = &answer {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    }
    answer.ok()
}

/// The copy of a node that has seen more than what now answers: it must neither keep what was lost
/// nor take for all what has come since.
#[tokio::test]
async fn trap_53_after_a_failover_that_lost_rules_a_copy_is_made_anew() {
    let site = Site::with(|builder| builder.policy_bounds(hours(1), days(90)));
    let replica = AnyStore::memory();
    let ada = site.signed_in("ada", &["acme"]).await;
    let grace = site.signed_in("grace", &["globex"]).await;
    for browser in [&ada, &grace] {
        use tower_curfew::store::Store as _;
        let filed = replica.insert(site.record(browser).await, None).await.unwrap();
        assert_eq!(filed, tower_curfew::store::Inserted::Done);
    }
    // Of this the replica has not heard.
    site.pass(hours(1));
    site.set_policy("acme", OrgPolicy::absolute(days(1))).await;
    assert!(ada.clone().is_signed_in().await);

    site.store.fail_over_to(replica.clone());
    let elsewhere = Site::over(replica, |builder| builder);
    elsewhere.clock.set(site.now() - Duration::minutes(2));
    elsewhere.revoke_org("globex").await;
    elsewhere.clock.set(site.now() + Duration::minutes(2));
    elsewhere.set_policy("initech", OrgPolicy::absolute(days(1))).await;
    site.pass(Duration::minutes(2));
    assert_eq!(grace.clone().turned_away_because().await, "revoked globex");
    site.pass(days(2));
    assert!(ada.clone().is_signed_in().await, "the policy is lost, and binds nobody");
}
