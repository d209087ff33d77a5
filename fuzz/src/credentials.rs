//! Sessions whose tokens are known in advance, and what becomes of a request with each of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, header};
use tower_curfew::event::EventKind;
use tower_curfew::store::MemoryStore;
use tower_curfew::{Ended, Presence, SessionId, SessionKind};

use crate::site::{KEY, OLD_KEY, Secret, Site, insert, living, now, token};

/// What becomes of a request: the user that is signed in, or why the credentials are refused.
/// Without credentials, neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nobody,
    Live(&'static str),
    Refused(&'static str),
}

/// A site where some users are signed in.
pub(crate) struct Members {
    site: Site,
    told: Arc<Mutex<Option<&'static str>>>,
    /// Every token that was ever signed, by the mark that stands for it in an input.
    signed: Vec<(&'static str, String)>,
    cookies: HashMap<String, Outcome>,
    bearers: HashMap<String, Outcome>,
}

impl Members {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new();
        let (ada, grace, left, laptop, phone, lost) = (id(1), id(2), id(3), id(4), id(5), id(6));
        insert(&store, living(ada, secret(1), "ada"));
        insert(&store, living(grace, secret(2), "grace"));
        insert(&store, living(left, secret(3), "ada").with_end(Ended::revoked(now())));
        let token_of =
            |id, number, user| living(id, secret(number), user).with_kind(SessionKind::Token);
        insert(&store, token_of(laptop, 4, "ada"));
        insert(&store, token_of(phone, 5, "grace"));
        insert(&store, token_of(lost, 6, "ada").with_end(Ended::revoked(now())));

        let mut members = Self::over(store);
        members.sign("{ada}", "cookie", KEY, ada, secret(1), Outcome::Live("ada"));
        members.sign("{grace}", "cookie", KEY, grace, secret(2), Outcome::Live("grace"));
        members.sign("{old}", "cookie", OLD_KEY, ada, secret(1), Outcome::Live("ada"));
        members.sign("{left}", "cookie", KEY, left, secret(3), Outcome::Refused("revoked"));
        members.sign("{stale}", "cookie", KEY, ada, secret(9), Outcome::Refused("superseded"));
        members.sign("{gone}", "cookie", KEY, id(9), secret(9), Outcome::Refused("unknown"));
        members.sign("{laptop}", "bearer", KEY, laptop, secret(4), Outcome::Live("ada"));
        members.sign("{phone}", "bearer", OLD_KEY, phone, secret(5), Outcome::Live("grace"));
        members.sign("{lost}", "bearer", KEY, lost, secret(6), Outcome::Refused("revoked"));
        members.sign("{worn}", "bearer", KEY, laptop, secret(9), Outcome::Refused("superseded"));
        members
    }

    fn over(store: MemoryStore) -> Self {
        let told = Arc::<Mutex<_>>::default();
        let tell = told.clone();
        let site = Site::with(
            store,
            |builder| {
                builder.on_event(move |event| {
                    if let EventKind::Refused { why, .. } = &event.kind {
                        *tell.lock().expect("nobody panics with it") = Some(why.as_str());
                    }
                })
            },
            |layer| layer,
        );
        Self { site, told, signed: vec![], cookies: HashMap::new(), bearers: HashMap::new() }
    }

    fn sign(
        &mut self,
        mark: &'static str,
        purpose: &'static str,
        key: [u8; 32],
        id: SessionId,
        secret: Secret,
        outcome: Outcome,
    ) {
        let text = token(key, purpose, id, secret);
        let table = if purpose == "cookie" { &mut self.cookies } else { &mut self.bearers };
        table.insert(text.clone(), outcome);
        self.signed.push((mark, text));
    }

    /// An input with tokens in the place of their marks, which a fuzzer could never make up.
    pub(crate) fn filled_in(&self, data: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(data.len());
        let mut rest = data;
        while let Some((first, after)) = rest.split_first() {
            match self.signed.iter().find(|(mark, _)| rest.starts_with(mark.as_bytes())) {
                Some((mark, text)) => {
                    filled.extend(text.as_bytes());
                    rest = &rest[mark.len()..];
                }
                None => {
                    filled.push(*first);
                    rest = after;
                }
            }
        }
        filled
    }

    /// What has to become of a request that presents these values as its cookie.
    pub(crate) fn by_cookies(&self, presented: &BTreeSet<&[u8]>) -> Outcome {
        expected(&self.cookies, presented)
    }

    /// What has to become of a request that presents these values as its bearer token.
    pub(crate) fn by_bearers(&self, presented: &BTreeSet<&[u8]>) -> Outcome {
        expected(&self.bearers, presented)
    }

    /// What becomes of a request.
    pub(crate) fn outcome(&self, request: Request<Body>) -> Outcome {
        let (seen, response) = self.site.seen(request);
        let set = response.headers().get(header::SET_COOKIE);
        assert_eq!(set, None, "no cookie is due, and none is cleared for what is no navigation");
        let refused = self.told.lock().expect("nobody panics with it").take();
        match (seen.presence, refused) {
            (Presence::Live(session), None) => match session.user() {
                "ada" => Outcome::Live("ada"),
                "grace" => Outcome::Live("grace"),
                other => panic!("nobody is called {other:?}"),
            },
            (Presence::Ended(_), Some(why)) => Outcome::Refused(why),
            (Presence::Anonymous, Some(why)) => Outcome::Refused(why),
            (Presence::Anonymous, None) => Outcome::Nobody,
            (presence, told) => panic!("{presence:?} does not go with {told:?}"),
        }
    }
}

/// One value counts if it was signed. Of two different ones, neither does.
fn expected(signed: &HashMap<String, Outcome>, presented: &BTreeSet<&[u8]>) -> Outcome {
    let mut values = presented.iter();
    match (values.next(), values.next()) {
        (None, _) => Outcome::Nobody,
        (Some(_), Some(_)) => Outcome::Refused("conflicting"),
        (Some(value), None) => str::from_utf8(value)
            .ok()
            .and_then(|text| signed.get(text).copied())
            .unwrap_or(Outcome::Refused("unverified")),
    }
}

impl Outcome {
    /// The side of a target that this is.
    pub(crate) fn side(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Live(_) => "live",
            Self::Refused(why) => why,
        }
    }
}

fn id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

fn secret(number: u8) -> Secret {
    [0x80 | number; 16]
}
