//! What people do: sign in, change organizations, end their sessions.

use tower_curfew::Selector;
use tower_curfew::{AtCap, ClientInfo, ErrorKind, NewSession};

use super::USERS;
use super::naive::{Due, Session};
use super::world::{Known, World, name};

impl World {
    pub async fn sign_in(&mut self) {
        let user = self.chance.below(USERS);
        let orgs = self.some_orgs();
        let new = NewSession::for_user(name(user)).orgs(self.names(orgs));
        let (site, now) = self.node();
        let cookie = site.curfew.start(new, &ClientInfo::for_tests()).await;
        if let Err(error) = &cookie {
            assert_eq!(error.kind(), ErrorKind::TooManySessions, "{error:?}");
        }
        let cookie = cookie.ok().map(|cookie| cookie.request_header());
        let cookie = cookie.map(|cookie| cookie.to_str().unwrap().to_owned());
        let model = Session::start(user, now, self.app, orgs, &self.orgs);
        self.signed_in(model, now, cookie);
    }

    /// Somebody has signed in, or was refused. The record is written now; it may have been some time
    /// that it began.
    pub fn signed_in(&mut self, model: Session, now: i64, cookie: Option<String>) {
        let (user, created, stored) = (model.user, model.created, cookie.is_some());
        self.log(format!("{now} sign-in of {}, begun {created}, stored: {stored}", name(user)));
        self.make_room(user, now, stored);
        let Some(cookie) = cookie else {
            return;
        };
        let mut browser = self.nodes[0].browser();
        browser.cookie = Some(cookie.clone());
        let id = browser.session();
        self.log(format!("  it is {id}, {:?}", model.orgs));
        self.known.push(Known { id, cookie, former: Vec::new(), model });
    }

    /// R29. Whether somebody is refused or somebody else's session ends.
    fn make_room(&mut self, user: usize, now: i64, stored: bool) {
        let count = |due| {
            let mut all = self.known.iter().filter(|known| known.model.user == user);
            all.by_ref().filter(|known| known.model.due(now) == due).count()
        };
        let (sure, perhaps) = (count(Due::Alive), count(Due::Either));
        let Some((cap, overflow)) = self.cap else {
            assert!(stored, "there is no cap");
            return;
        };
        let cap = cap as usize;
        if cap < sure {
            self.fail("more sessions are alive than one may have");
        }
        let full = cap <= sure;
        let room = sure + perhaps < cap;
        if (overflow == AtCap::EndOldest || room) && !stored {
            self.fail("a sign-in is refused though there is room");
        }
        if overflow == AtCap::Refuse && full && stored {
            self.fail("a sign-in is not refused");
        }
        // To make room, those that are over are looked for.
        let mut of_user =
            self.known.iter_mut().filter(|known| known.model.user == user).collect::<Vec<_>>();
        for known in &mut of_user {
            known.model.perhaps_over |= known.model.due(now) != Due::Alive;
        }
        if overflow == AtCap::EndOldest && !room {
            of_user.retain(|known| known.model.due(now) != Due::Over);
            of_user.sort_by_key(|known| (known.model.created, known.id));
            match perhaps {
                0 => of_user[0].model.ended(),
                // Which one it was depends on who was alive.
                _ => of_user.iter_mut().for_each(|known| known.model.perhaps_over = true),
            }
        }
    }

    pub async fn set_orgs(&mut self) {
        let user = self.chance.below(USERS);
        let orgs = self.some_orgs();
        let names = self.names(orgs);
        let (site, now) = self.node();
        site.curfew.set_orgs(&name(user), names).await.unwrap();
        self.log(format!("{now} {} belongs to {orgs:?}", name(user)));
        for known in self.known.iter_mut().filter(|known| known.model.user == user) {
            known.model.orgs_set(orgs, &self.orgs, now);
        }
    }

    pub async fn revoke(&mut self) {
        let Some(at) = self.some_session() else {
            return;
        };
        let (id, user) = (self.known[at].id, self.known[at].model.user);
        let everywhere = self.chance.percent(25);
        let which = match everywhere {
            true => Selector::user(name(user)),
            false => Selector::user(name(user)).only(id),
        };
        let (site, now) = self.node();
        site.curfew.operator("tests").revoke(which).await.unwrap();
        self.log(format!("{now} revoked {id} of {}, everywhere: {everywhere}", name(user)));
        let hit = |known: &&mut Known| known.id == id || everywhere && known.model.user == user;
        self.known.iter_mut().filter(hit).for_each(|known| known.model.ended());
    }

    /// Log out everywhere while the secret is being rotated (trap 34).
    pub async fn rotate_while_revoked(&mut self) {
        let Some(at) = self.some_session() else {
            return;
        };
        let user = self.known[at].model.user;
        let (mut browser, now) = self.browser(at);
        let curfew = self.node().0.curfew.clone();
        let mut held = self.nodes[0].store.hold("rotate");
        let mut rotates = Box::pin(async move {
            let answer = browser.fetch("POST", "/rotate").await;
            (answer, browser)
        });
        let early = tokio::select! {
            biased;
            rotated = &mut rotates => Some(rotated),
            () = held.arrived() => None,
        };
        let operator = curfew.operator("tests");
        let revokes = operator.revoke(Selector::user(name(user)));
        let ((answer, browser), revoked) = match early {
            Some(rotated) => (rotated, revokes.await),
            None => {
                held.release();
                // Wherever a rotation waits, the revocation overtakes it; and on two threads,
                // perhaps in between.
                if self.chance.percent(50) {
                    tokio::join!(rotates, revokes)
                } else {
                    let rotates = tokio::spawn(rotates);
                    let revoked = revokes.await;
                    (rotates.await.unwrap(), revoked)
                }
            }
        };
        revoked.unwrap();
        let (id, status) = (self.known[at].id, answer.status);
        self.log(format!("{now} revoked {} while {id} is rotated: {status}", name(user)));
        if status == 200 {
            self.known[at].renewed(browser.cookie);
        }
        let hit = |known: &&mut Known| known.model.user == user;
        self.known.iter_mut().filter(hit).for_each(|known| known.model.ended());
    }
}
