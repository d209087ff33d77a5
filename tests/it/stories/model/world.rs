//! What happens in a history: each step is told to the site and to the model, and the answers are
//! compared.

use std::collections::VecDeque;

use tower_curfew::AtCap;
use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;

use super::naive::{Org, Rule, Session};
use super::slow::Slow;
use super::{DAY, HOUR, MINUTE, ORGS, SECOND, USERS};
use crate::support::{Chance, Site};

/// How often records are deleted that nobody needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purges {
    Never,
    Sometimes,
    Promptly,
}

/// A session on both sides.
pub struct Known {
    pub id: SessionId,
    pub cookie: String,
    /// Cookies of former secrets: they must never work again.
    pub former: Vec<String>,
    pub model: Session,
}

impl Known {
    /// How often its secret was renewed.
    pub fn renewals(&self) -> usize {
        self.former.len()
    }

    pub fn renewed(&mut self, cookie: Option<String>) {
        self.former.push(std::mem::replace(&mut self.cookie, cookie.unwrap()));
    }
}

/// What a history is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Everything happens, often within one moment.
    Busy,
    /// Days go by between the changes of policies, and hardly anybody is there.
    Quiet,
    /// Days go by too, but everybody comes by.
    Steady,
}

pub struct World {
    seed: u64,
    pub chance: Chance,
    pub nodes: [Site; 2],
    ahead: [i64; 2],
    pub time: i64,
    pub app: Rule,
    pub cap: Option<(u32, AtCap)>,
    pub purges: Purges,
    pub pace: Pace,
    pub orgs: [Org; ORGS],
    pub known: Vec<Known>,
    pub slow: Vec<Slow>,
    steps: usize,
    log: VecDeque<String>,
}

impl World {
    pub fn new(seed: u64, chance: Chance, nodes: [Site; 2], ahead: [i64; 2], app: Rule) -> Self {
        let time = nodes[0].now().unix_millis();
        Self {
            seed,
            chance,
            nodes,
            ahead,
            time,
            app,
            cap: None,
            purges: Purges::Never,
            pace: Pace::Busy,
            orgs: Default::default(),
            known: Vec::new(),
            slow: Vec::new(),
            steps: 0,
            log: VecDeque::new(),
        }
    }

    pub async fn play(&mut self, steps: usize) {
        // In some histories an admin is so busy that the history of the policy fills up.
        let busy = if self.chance.percent(15) { 90 } else { 12 };
        for _ in 0..steps {
            self.steps += 1;
            self.pass_time().await;
            let living = self.known.iter().filter(|known| !known.model.over).count();
            let sign_in = if living < 3 { 30 } else { 5 };
            let weights = match self.pace {
                Pace::Busy => [sign_in, 34, busy, 10, 2, 3, 6, 8, 3, 2, 2, 10, 12],
                Pace::Quiet => [15, 12, 24, 4, 1, 1, 1, 1, 1, 0, 1, 4, 4],
                Pace::Steady => [5, 30, 24, 4, 1, 1, 2, 6, 1, 0, 1, 4, 4],
            };
            match self.chance.weighted(&weights) {
                0 => self.sign_in().await,
                1 => self.request().await,
                2 => self.set_policy().await,
                3 => self.set_orgs().await,
                4 => self.revoke_org().await,
                5 => self.revoke().await,
                6 => self.rotate().await,
                7 => self.list().await,
                8 => self.former_secret().await,
                9 => self.rotate_while_revoked().await,
                10 => self.two_admins().await,
                11 => self.begin_slowly().await,
                _ => self.go_on().await,
            }
            self.forget_some();
        }
        while !self.slow.is_empty() {
            self.go_on().await;
        }
        for user in 0..USERS {
            self.list_of(user).await;
        }
    }

    // --- time and records ------------------------------------------------------------------------

    /// Mostly little time, sometimes very much, and often just as much as it takes to come to the
    /// very millisecond at which something happens.
    async fn pass_time(&mut self) {
        let chance = &mut self.chance;
        let weights = match self.pace {
            Pace::Busy => [40, 6, 10, 10, 8, 5, 2, 1, 30],
            Pace::Quiet => [40, 2, 4, 4, 10, 30, 8, 1, 10],
            Pace::Steady => [40, 2, 4, 10, 30, 20, 0, 0, 10],
        };
        let by = match chance.weighted(&weights) {
            0 => 0,
            1 => 1,
            2 => chance.between(1, 60 * SECOND),
            3 => chance.between(MINUTE, HOUR),
            4 => chance.between(HOUR, DAY),
            5 => chance.between(DAY, 7 * DAY),
            6 => chance.between(7 * DAY, 30 * DAY),
            7 => chance.between(30 * DAY, 120 * DAY),
            _ => {
                let living = self.known.iter().filter(|known| !known.model.over);
                let all = living.flat_map(|known| known.model.boundaries()).collect::<Vec<_>>();
                let at = match all.is_empty() {
                    true => self.time,
                    false => self.chance.one_of(&all) + self.chance.between(-1, 1),
                };
                (at - self.chance.one_of(&self.ahead) - self.time).max(0)
            }
        };
        let silence = self.app.idle.filter(|_| self.pace == Pace::Steady);
        let by = silence.map_or(by, |idle| by.min(idle / 2));
        // Calls of the store take a minute at most, so no request is as slow as the grace is long.
        while self.slow.iter().any(|slow| slow.began + 6 * DAY < self.time + by) {
            self.go_on().await;
        }
        self.time += by;
        for (site, ahead) in self.nodes.iter().zip(self.ahead) {
            site.clock.set(Timestamp::from_unix_millis(self.time + ahead));
        }
        if self.pace == Pace::Steady && by > HOUR {
            for at in 0..self.known.len() {
                if !self.known[at].model.over {
                    self.request_of(at).await;
                }
            }
        }
        let purges = match self.purges {
            Purges::Never => false,
            Purges::Sometimes => self.chance.percent(3),
            Purges::Promptly => by > HOUR,
        };
        if purges {
            let (site, now) = self.node();
            let purged = site.curfew.purge().await.unwrap();
            self.log(format!("{now} purge: {purged}"));
        }
    }

    /// What has ended is asked for some time longer.
    fn forget_some(&mut self) {
        if self.known.len() > 24 {
            let busy = |known: &Known| self.slow.iter().any(|slow| slow.is_about(known.id));
            let at = self.known.iter().position(|known| known.model.written && !busy(known));
            if let Some(at) = at {
                self.known.remove(at);
            }
        }
    }

    pub fn log(&mut self, line: String) {
        self.log.push_back(line);
        if self.log.len() > 60 {
            self.log.pop_front();
        }
    }

    pub fn fail(&self, what: &str) -> ! {
        let log = self.log.iter().map(|line| format!("\n  {line}")).collect::<String>();
        panic!(
            "{what}\nat step {} of the history CURFEW_SEED={}, over {:?}{log}",
            self.steps, self.seed, self.nodes[0].store
        )
    }

    /// Shows every session, those that are about to start included.
    pub fn each_session(&mut self, mut visit: impl FnMut(&mut Session)) {
        self.known.iter_mut().for_each(|known| visit(&mut known.model));
        self.slow.iter_mut().filter_map(Slow::starts).for_each(visit);
    }

    /// Some node, and what time it thinks it is.
    pub fn node(&mut self) -> (&Site, i64) {
        let node = self.chance.below(2);
        (&self.nodes[node], self.time + self.ahead[node])
    }

    pub fn some_session(&mut self) -> Option<usize> {
        if self.known.is_empty() {
            return None;
        }
        // Rather a living one.
        let tries = [0; 3].map(|_| self.chance.below(self.known.len()));
        let living = tries.into_iter().find(|at| !self.known[*at].model.over);
        Some(living.unwrap_or(tries[0]))
    }

    pub fn org(&self, org: usize) -> String {
        format!("org{org}")
    }

    pub fn some_orgs(&mut self) -> [bool; ORGS] {
        [(); ORGS].map(|()| self.chance.percent(45))
    }

    pub fn names(&self, orgs: [bool; ORGS]) -> Vec<String> {
        (0..ORGS).filter(|org| orgs[*org]).map(|org| self.org(org)).collect()
    }
}

pub fn name(user: usize) -> String {
    format!("user{user}")
}
