//! Those who use the site: some stay for long, some come and go, and one administers it.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_curfew_checker::Outcome;

use super::front::{Browser, Front};
use crate::chance::Chance;
use crate::node::ChangePolicy;
use crate::rules;

/// Who stays signed in, so that limits strike.
const STEADY: usize = 10;

/// Who signs in and out, again and again.
const RESTLESS: usize = 14;

const ORGS: usize = 4;

/// Fewer browsers than a user may have sessions, and more.
const FEW_BROWSERS: usize = rules::SESSIONS_PER_USER as usize - 1;
const MANY_BROWSERS: usize = rules::SESSIONS_PER_USER as usize + 1;

/// So many browsers whose session has ended come back now and then.
const REMEMBERED: usize = 6;

/// Everybody who is at work.
pub(super) struct People {
    tasks: JoinSet<()>,
    evening: watch::Sender<bool>,
}

impl People {
    pub(super) fn begin(runtime: &Runtime, site: &Front, chance: &mut Chance) -> Self {
        let mut tasks = JoinSet::new();
        let (evening, watch) = watch::channel(false);
        for number in 0..STEADY + RESTLESS {
            let is_steady = number < STEADY;
            let browsers = if is_steady { FEW_BROWSERS } else { MANY_BROWSERS };
            let person = Person {
                site: site.clone(),
                name: format!("person-{number}"),
                is_steady,
                browsers: vec![None; browsers],
                ended: VecDeque::new(),
                chance: Chance::new(chance.next()),
                day: Day(watch.clone()),
            };
            tasks.spawn_on(person.work(), runtime.handle());
        }
        let admin = administer(site.clone(), Chance::new(chance.next()), Day(watch));
        tasks.spawn_on(admin, runtime.handle());
        Self { tasks, evening }
    }

    pub(super) fn go_home(mut self, runtime: &Runtime) -> anyhow::Result<()> {
        self.evening.send_replace(true);
        runtime.block_on(async {
            let all_left = async {
                while let Some(left) = self.tasks.join_next().await {
                    left?;
                }
                anyhow::Ok(())
            };
            timeout(Duration::from_secs(60), all_left).await.context("somebody waits for ever")?
        })
    }
}

struct Person {
    site: Front,
    name: String,
    is_steady: bool,
    browsers: Vec<Option<Browser>>,
    ended: VecDeque<Browser>,
    chance: Chance,
    day: Day,
}

/// When people go home.
struct Day(watch::Receiver<bool>);

impl Day {
    fn is_over(&self) -> bool {
        *self.0.borrow()
    }

    /// Does nothing for so long, or until it is time to go home.
    async fn rest(&mut self, length: Duration) {
        drop(timeout(length, self.0.wait_for(|is_over| *is_over)).await);
    }
}

impl Person {
    async fn work(mut self) {
        while !self.day.is_over() {
            let at = self.chance.below(self.browsers.len());
            match self.browsers[at].take() {
                None => self.sign_in(at, None).await,
                Some(browser) if self.is_steady => self.stay(at, browser).await,
                Some(browser) => self.come_and_go(at, browser).await,
            }
            let pause = if self.is_steady { (20, 200) } else { (1, 30) };
            self.day.rest(millis(self.chance.between(pause.0, pause.1))).await;
        }
    }

    async fn stay(&mut self, at: usize, browser: Browser) {
        match self.chance.weighted(&[900, 60, 35, 5]) {
            0 => self.visit(at, browser).await,
            1 => {
                self.site.list(&browser).await;
                self.browsers[at] = Some(browser);
            }
            2 => {
                self.browsers[at] = Some(browser);
                self.look_back().await;
            }
            _ => {
                self.browsers[at] = Some(browser);
                let about = millis(self.chance.between(0, 3000));
                self.day.rest(rules::IDLE.unsigned_abs() + about).await;
            }
        }
    }

    async fn come_and_go(&mut self, at: usize, browser: Browser) {
        match self.chance.weighted(&[30, 20, 14, 14, 10, 5, 4, 2, 1]) {
            0 => self.visit(at, browser).await,
            1 => {
                self.browsers[at] = Some(browser);
                self.look_back().await;
            }
            2 => self.sign_in(at, Some(browser)).await,
            3 => self.sign_out(at, browser).await,
            4 => self.sign_out_while_at_work(at, browser).await,
            5 => {
                self.site.list(&browser).await;
                self.browsers[at] = Some(browser);
            }
            6 => self.revoke_another(at, browser).await,
            7 => {
                self.browsers[at] = Some(browser.clone());
                if self.site.revoke_others(&browser).await == Outcome::Done {
                    self.look_at_all().await;
                }
            }
            _ => {
                self.browsers[at] = Some(browser.clone());
                if self.site.revoke_all(&browser).await == Outcome::Done {
                    self.look_at_all().await;
                }
            }
        }
    }

    async fn sign_in(&mut self, at: usize, before: Option<Browser>) {
        let minute = self.site.minute();
        let user = format!("{}-{minute}", self.name);
        let orgs = (0..ORGS).filter(|_| self.chance.percent(30));
        let orgs = orgs.map(|org| org_name(org, minute)).collect::<Vec<_>>();
        // Now and then twice at once.
        let (new, other) = match self.chance.percent(10) {
            true => tokio::join!(
                self.site.sign_in(&user, orgs.clone(), before.as_ref()),
                self.site.sign_in(&user, orgs, None)
            ),
            false => (self.site.sign_in(&user, orgs, before.as_ref()).await, None),
        };
        self.ended.extend(other);
        if let (Some(_), Some(before)) = (&new, &before) {
            self.comes_back(before.clone()).await;
        }
        // Whoever is not told keeps what there was.
        self.browsers[at] = new.or(before);
    }

    async fn visit(&mut self, at: usize, mut browser: Browser) {
        match self.site.visit(&mut browser).await {
            Outcome::Ended { .. } | Outcome::Nobody => self.comes_back(browser).await,
            outcome => {
                // Whoever is not served does not ask again at once.
                if outcome != Outcome::Alive {
                    self.day.rest(millis(100)).await;
                }
                self.browsers[at] = Some(browser);
            }
        }
    }

    async fn sign_out(&mut self, at: usize, browser: Browser) {
        match self.site.sign_out(&browser).await {
            Outcome::Done => self.comes_back(browser).await,
            _ => self.browsers[at] = Some(browser),
        }
    }

    /// Other tabs are at work at the same time.
    async fn sign_out_while_at_work(&mut self, at: usize, browser: Browser) {
        let (mut one, mut other) = (browser.clone(), browser.clone());
        let (_, outcome, _) = tokio::join!(
            self.site.visit(&mut one),
            self.site.sign_out(&browser),
            self.site.visit(&mut other)
        );
        match outcome {
            Outcome::Done => self.comes_back(browser).await,
            _ => self.browsers[at] = Some(browser),
        }
    }

    async fn revoke_another(&mut self, at: usize, browser: Browser) {
        let other = self.chance.below(self.browsers.len());
        let other = self.browsers[other].take_if(|other| other.user == browser.user);
        if let Some(other) = other {
            self.site.revoke(&browser, &other.session).await;
            self.comes_back(other).await;
        }
        self.browsers[at] = Some(browser);
    }

    /// What has ended is looked at once, and remembered for later.
    async fn comes_back(&mut self, mut browser: Browser) {
        self.site.visit(&mut browser).await;
        self.ended.push_back(browser);
        while REMEMBERED < self.ended.len() {
            self.ended.pop_front();
        }
    }

    /// Looks at something that has ended before.
    async fn look_back(&mut self) {
        if !self.ended.is_empty() {
            let at = self.chance.below(self.ended.len());
            self.site.visit(&mut self.ended[at]).await;
        }
    }

    async fn look_at_all(&mut self) {
        for at in 0..self.browsers.len() {
            if let Some(browser) = self.browsers[at].take() {
                self.visit(at, browser).await;
            }
        }
    }
}

/// Changes policies, and ends sessions of organizations and of everyone.
async fn administer(site: Front, mut chance: Chance, mut day: Day) {
    let mut turn = 0_u32;
    while !day.is_over() {
        turn += 1;
        let org = org_name(chance.below(ORGS), site.minute());
        // Seldom: a history holds 64 policies.
        let is_for_everyone = turn.is_multiple_of(32);
        let org = Some(org).filter(|_| !is_for_everyone);
        let revokes = if is_for_everyone { 4 } else { 1 };
        match chance.weighted(&[4, 4, revokes]) {
            0 => {
                let absolute = chance.percent(60).then(|| chance.between(8_000, 15_000));
                let idle = absolute.is_none().then(|| chance.between(3_000, 5_000));
                site.change_policy(ChangePolicy { org, absolute, idle }).await;
            }
            1 => {
                let (absolute, idle) = (None, None);
                site.change_policy(ChangePolicy { org, absolute, idle }).await;
            }
            _ => drop(site.revoke_org(org).await),
        }
        day.rest(millis(chance.between(300, 900))).await;
    }
}

fn org_name(number: usize, minute: i64) -> String {
    format!("org-{number}-{minute}")
}

fn millis(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or_default())
}
