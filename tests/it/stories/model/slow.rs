//! Requests that are slow: they are judged now, and what they write lands later.

use std::pin::Pin;

use tower_curfew::SessionId;

use super::USERS;
use super::naive::{Due, Session};
use super::world::{World, name};
use crate::support::{Answer, Browser, Held};

/// A request that waits in front of the store.
pub struct Slow {
    what: What,
    pub began: i64,
    /// How far the clock of its node is ahead.
    ahead: i64,
    held: Held,
    answer: Pin<Box<dyn Future<Output = (Answer, Browser)> + Send>>,
}

enum What {
    /// It was let in, and its activity is yet to be recorded.
    Touch(About),
    /// It found the session over, which is yet to be written.
    End(About),
    /// It was let in, and the secret is yet to be renewed.
    Rotate(About),
    /// It is stamped with the rules as they were when it began, and yet to be inserted.
    SignIn(Session),
}

#[derive(Clone, Copy)]
struct About {
    id: SessionId,
    /// How often its secret had been renewed.
    renewals: usize,
}

impl Slow {
    /// The session that it is about to start.
    pub fn starts(&mut self) -> Option<&mut Session> {
        match &mut self.what {
            What::SignIn(session) => Some(session),
            What::Touch(_) | What::End(_) | What::Rotate(_) => None,
        }
    }

    pub fn is_about(&self, session: SessionId) -> bool {
        match &self.what {
            What::Touch(about) | What::End(about) | What::Rotate(about) => about.id == session,
            What::SignIn(_) => false,
        }
    }
}

impl World {
    pub async fn begin_slowly(&mut self) {
        if self.slow.len() >= 3 {
            return self.go_on().await;
        }
        match self.chance.weighted(&[6, 2, 1, 2]) {
            0 => self.request_slowly("touch").await,
            1 => self.request_slowly("end").await,
            2 => self.request_slowly("rotate").await,
            _ => self.sign_in_slowly().await,
        }
    }

    /// Begins a request that is slow at this call of the store; if it makes none, it is not.
    async fn request_slowly(&mut self, call: &'static str) {
        let Some(at) = self.some_session() else {
            return;
        };
        let (mut browser, now) = self.browser(at);
        let mut held = self.node().0.store.hold(call);
        let (method, path) =
            if call == "rotate" { ("POST", "/rotate") } else { ("GET", "/presence") };
        let mut answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            let answer = browser.fetch(method, path).await;
            (answer, browser)
        });
        tokio::select! {
            biased;
            (answer, browser) = &mut answer => {
                // It made no such call, or one that was held before and is no more.
                if call == "rotate" {
                    return self.rotated(at, &answer, browser, now);
                }
                let alive = self.says_alive(&answer);
                self.let_in(at, alive, now, "request");
                self.known[at].cookie = browser.cookie.unwrap();
                return;
            }
            () = held.arrived() => {}
        }
        let known = &mut self.known[at];
        let about = About { id: known.id, renewals: known.renewals() };
        let due = known.model.due(now);
        let unexpected = if call == "end" { Due::Alive } else { Due::Over };
        let what = match call {
            "touch" => {
                known.model.perhaps_over = false;
                known.model.perhaps_active(now);
                What::Touch(about)
            }
            "end" => {
                known.model.doomed += 1;
                What::End(about)
            }
            _ => {
                known.model.active(now);
                What::Rotate(about)
            }
        };
        self.log(format!("{now} slow {call} of {}, due: {due:?}", about.id));
        if due == unexpected {
            self.fail(&format!("{call} though it is due {due:?}; {:?}", self.known[at].model));
        }
        self.slow.push(Slow { what, began: self.time, ahead: now - self.time, held, answer });
    }

    async fn sign_in_slowly(&mut self) {
        let user = self.chance.below(USERS);
        let orgs = self.some_orgs();
        let query = self.names(orgs).iter().map(|org| format!("&org={org}")).collect::<String>();
        let path = format!("/login?user={}{query}", name(user));
        let (site, created) = self.node();
        let mut held = site.store.hold("insert");
        let mut browser = site.browser();
        let mut answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            let answer = browser.fetch("POST", &path).await;
            (answer, browser)
        });
        tokio::select! {
            biased;
            _ = &mut answer => panic!("nobody signs in without a record"),
            () = held.arrived() => {}
        }
        self.log(format!("{created} slow sign-in of {}", name(user)));
        let what = What::SignIn(Session::start(user, created, self.app, orgs, &self.orgs));
        let (began, ahead) = (self.time, created - self.time);
        self.slow.push(Slow { what, began, ahead, held, answer });
    }

    /// One of the slow requests goes on to its end.
    pub async fn go_on(&mut self) {
        if self.slow.is_empty() {
            return;
        }
        let slow = self.chance.below(self.slow.len());
        let Slow { what, ahead, held, answer, .. } = self.slow.remove(slow);
        let now = self.time + ahead;
        held.release();
        let (answer, browser) = answer.await;
        let about = match what {
            What::Touch(about) | What::End(about) | What::Rotate(about) => about,
            What::SignIn(model) => {
                assert!([303, 409].contains(&answer.status.as_u16()), "{answer:?}");
                let cookie = browser.cookie.filter(|_| answer.status == 303);
                return self.signed_in(model, now, cookie);
            }
        };
        let at = self.known.iter().position(|known| known.id == about.id).unwrap();
        let line = format!("{now} goes on: {} {}", about.id, answer.status);
        self.log(format!("{line} {}", answer.body.chars().take(60).collect::<String>()));
        let alive = match what {
            What::Rotate(_) => answer.status == 200,
            _ => self.says_alive(&answer),
        };
        let known = &mut self.known[at];
        let renewed = known.renewals() != about.renewals;
        if alive {
            // It was judged before, so only what was written since can stop it.
            if known.model.written || renewed {
                let model = known.model.clone();
                self.fail(&format!("a slow request is let in: {model:?}"));
            }
            known.model.perhaps_over = false;
            known.cookie = match what {
                What::Rotate(_) => {
                    known.renewed(browser.cookie);
                    return;
                }
                _ => browser.cookie.unwrap(),
            };
        } else if !renewed {
            self.answered(at, false, now, "slow request");
        }
        if let What::End(_) = what {
            let model = &mut self.known[at].model;
            model.doomed -= 1;
            // Somebody was active meanwhile, so it was judged again.
            if alive {
                self.let_in(at, alive, now, "slow request");
            }
        }
    }
}
