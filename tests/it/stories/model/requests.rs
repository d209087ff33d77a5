//! Requests and lists: the answers that are compared.

use tower_curfew::clock::Timestamp;

use super::USERS;
use super::naive::{Due, NEVER};
use super::world::{World, name};
use crate::support::{Answer, Browser};

impl World {
    /// Compares an answer about a session with what is due, and takes it down.
    pub fn answered(&mut self, at: usize, alive: bool, now: i64, what: &str) {
        let known = &mut self.known[at];
        let due = known.model.due(now);
        let line = format!("{now} {what} of {}: {}, due: {due:?}", known.id, is_alive(alive));
        let model = known.model.clone();
        if alive {
            known.model.perhaps_over = false;
        } else {
            known.model.ended();
        }
        self.log(line);
        if matches!((due, alive), (Due::Alive, false) | (Due::Over, true)) {
            self.fail(&format!("{what}: it is {}, due: {due:?}; {model:?}", is_alive(alive)));
        }
    }

    pub fn browser(&mut self, at: usize) -> (Browser, i64) {
        let cookie = self.known[at].cookie.clone();
        let (site, now) = self.node();
        let mut browser = site.browser();
        browser.cookie = Some(cookie);
        (browser, now)
    }

    pub async fn request(&mut self) {
        if let Some(at) = self.some_session() {
            self.request_of(at).await;
        }
    }

    pub async fn request_of(&mut self, at: usize) {
        let (mut browser, now) = self.browser(at);
        let answer = browser.fetch("GET", "/presence").await;
        self.known[at].cookie = browser.cookie.unwrap();
        let alive = self.says_alive(&answer);
        self.let_in(at, alive, now, "request");
    }

    /// What `/presence` says.
    pub fn says_alive(&self, answer: &Answer) -> bool {
        if answer.status != 200 {
            self.fail(&format!("{answer:?}"));
        }
        answer.body.starts_with("live")
    }

    pub fn let_in(&mut self, at: usize, alive: bool, now: i64, what: &str) {
        self.answered(at, alive, now, what);
        if alive {
            self.known[at].model.active(now);
        }
    }

    pub async fn rotate(&mut self) {
        if let Some(at) = self.some_session() {
            let (mut browser, now) = self.browser(at);
            let path = self.chance.one_of(&["/rotate", "/again"]);
            let answer = browser.fetch("POST", path).await;
            self.rotated(at, &answer, browser, now);
        }
    }

    pub fn rotated(&mut self, at: usize, answer: &Answer, browser: Browser, now: i64) {
        if ![200, 401].contains(&answer.status.as_u16()) {
            self.fail(&format!("{answer:?}"));
        }
        let alive = answer.status == 200;
        self.let_in(at, alive, now, "rotation");
        if alive {
            self.known[at].renewed(browser.cookie);
        }
    }

    pub async fn former_secret(&mut self) {
        if let Some(at) = self.some_session()
            && !self.known[at].former.is_empty()
        {
            let (mut browser, now) = self.browser(at);
            let former = self.chance.below(self.known[at].former.len());
            browser.cookie = Some(self.known[at].former[former].clone());
            let answer = browser.fetch("GET", "/presence").await;
            let id = self.known[at].id;
            self.log(format!("{now} former secret of {id}: {}", answer.body));
            if self.says_alive(&answer) {
                self.fail("a former secret is let in");
            }
            // Nobody is told, but it was looked at; only an end that was written is told.
            if answer.body.starts_with("ended") {
                self.answered(at, false, now, "former secret");
            }
        }
    }

    pub async fn list(&mut self) {
        let user = self.chance.below(USERS);
        self.list_of(user).await;
    }

    pub async fn list_of(&mut self, user: usize) {
        let (site, now) = self.node();
        let listed = site.curfew.list(&name(user)).await.unwrap();
        for session in &listed {
            if !self.known.iter().any(|known| known.id == session.id()) {
                self.fail("a session is listed that was over long ago");
            }
        }
        for at in 0..self.known.len() {
            if self.known[at].model.user != user {
                continue;
            }
            let id = self.known[at].id;
            let session = listed.iter().find(|session| session.id() == id);
            self.answered(at, session.is_some(), now, "list");
            let Some(session) = session else {
                continue;
            };
            let at_or_never =
                |at: Option<Timestamp>| at.map_or(NEVER, |timestamp| timestamp.unix_millis());
            let ends = session.schedule();
            let absolute = at_or_never(ends.absolute.as_ref().map(|end| end.at));
            let idle = at_or_never(ends.idle.as_ref().map(|end| end.at));
            let model = &self.known[at].model;
            let (sure, over) = model.idle_span();
            if absolute != model.absolute || !(sure..=over).contains(&idle) {
                self.fail(&format!("{id} ends absolute {absolute}, idle {idle}; {model:?}"));
            }
        }
    }
}

fn is_alive(alive: bool) -> &'static str {
    if alive { "alive" } else { "over" }
}
