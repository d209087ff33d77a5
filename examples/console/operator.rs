//! The commands of whoever runs the app: who is signed in, and ending it. `src/docs/operations.md`
//! says when to give them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::Args;
use tower_curfew::event::{Event, EventKind};
use tower_curfew::{Builder, Curfew, Keyring, Limits, Selector, SessionId};

use crate::options::StoreAt;

/// Whose sessions are shown.
#[derive(Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    whose: Whose,
    /// The store of the app: sqlite:FILE, postgres://… or redis://…
    #[arg(long, value_name = "STORE")]
    store: StoreAt,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The sessions of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The sessions of the members of this organization
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
}

impl Listing {
    /// A line for each session: its id, its user, when it was last active, and where it is.
    pub(crate) async fn run(&self) -> anyhow::Result<String> {
        let curfew = builder(&self.store).await?.build()?;
        let sessions = match (&self.whose.user, &self.whose.org) {
            (Some(user), _) => curfew.list(user).await?,
            (_, Some(org)) => curfew.list_org(org).await?,
            (None, None) => unreachable!("the command line demands one of them"),
        };
        let mut lines = String::new();
        for one in sessions {
            let seen = one.last_seen_at().unwrap_or(one.created_at());
            let (id, user, kind) = (one.id(), one.user(), one.kind());
            let device = one.client().device.unwrap_or("unknown device".into());
            writeln!(lines, "{id}  {user}  {seen}  {}  {device}", kind.as_str())?;
        }
        Ok(lines)
    }
}

/// Whose sessions end, and who wants it so.
#[derive(Args)]
pub(crate) struct Revoking {
    #[command(flatten)]
    which: Which,
    /// Who does it and why, for the audit log, as in "incident 17: grace"
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// The store of the app: sqlite:FILE, postgres://… or redis://…
    #[arg(long, value_name = "STORE")]
    store: StoreAt,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// This session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// All sessions and tokens of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All sessions of the members of this organization
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// All sessions there are
    #[arg(long)]
    everyone: bool,
}

impl Revoking {
    /// What the audit log has of it, a line for each event; or that there was nothing to end.
    pub(crate) async fn run(&self) -> anyhow::Result<String> {
        let log = AuditLog::default();
        let curfew = log.kept_of(builder(&self.store).await?).build()?;
        let done = self.revoke(&curfew).await;
        done.context("some sessions may go on; mend what follows and give the command again")?;
        let lines = log.lines();
        Ok(if lines.is_empty() { "there is no such session any more\n".to_owned() } else { lines })
    }

    async fn revoke(&self, curfew: &Curfew) -> Result<(), tower_curfew::Error> {
        let operator = curfew.operator(&self.name);
        match &self.which {
            Which { session: Some(id), .. } => {
                operator.revoke(Selector::session(*id)).await.map(drop)
            }
            Which { user: Some(user), .. } => operator.revoke(Selector::user(user)).await.map(drop),
            Which { org: Some(org), .. } => operator.revoke_org(org).await,
            Which { .. } => operator.revoke_everyone().await,
        }
    }
}

/// A handle in the making on sessions that another process serves.
async fn builder(store: &StoreAt) -> anyhow::Result<Builder> {
    store.must_exist("--store")?;
    // It signs nothing, so it needs no key of the app. With limits of its own it would end sessions
    // that the app lets live.
    let keyring = Keyring::from_bytes([0; 32])?;
    Ok(store.builder(keyring).await?.limits(Limits::unlimited()).purge_by_hand())
}

/// What has been done, in lines. An app sends its events where nobody can change them.
#[derive(Clone, Default)]
struct AuditLog(Arc<Mutex<String>>);

impl AuditLog {
    fn kept_of(&self, builder: Builder) -> Builder {
        let log = self.0.clone();
        builder.on_event(move |event| {
            let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_str(&line(event));
        })
    }

    fn lines(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn line(event: &Event) -> String {
    let Event { at, actor, kind, .. } = event;
    let mut line = format!("{at}  {}  actor={:?}", kind.name(), actor.as_deref().unwrap_or("-"));
    match kind {
        EventKind::Revoked { which, sessions } => {
            line += &format!("  sessions={sessions}");
            line += &which.by_user().map(|user| format!("  user={user:?}")).unwrap_or_default();
            line += &which.by_session().map(|id| format!("  session={id}")).unwrap_or_default();
        }
        EventKind::OrgRevoked { org } => line += &format!("  organization={org:?}"),
        _ => {}
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tower_curfew::store::SqliteStore;
    use tower_curfew::{ClientInfo, NewSession};

    use super::*;
    use crate::options::Options;

    /// A store with a session of ada, of acme and globex, and one of alan, of globex.
    struct Place {
        folder: tempfile::TempDir,
        curfew: Curfew,
    }

    impl Place {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(folder.path().join("sessions.db")).await.unwrap();
            // The key is the app's, of which the commands know nothing.
            let keyring = Keyring::from_bytes([7; 32]).unwrap();
            let curfew = Curfew::builder(store, keyring).build().unwrap();
            for (user, orgs) in [("ada", &["acme", "globex"][..]), ("alan", &["globex"])] {
                let new = NewSession::for_user(user).orgs(orgs.iter().copied());
                let _cookie = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
            }
            Self { folder, curfew }
        }

        async fn command(&self, line: &str) -> anyhow::Result<String> {
            let line = line.replace('@', &format!("sqlite:{}/", self.folder.path().display()));
            let words = ["console"].into_iter().chain(line.split(' '));
            Options::try_parse_from(words)?.command.unwrap().run().await
        }

        /// How many sessions each of them has.
        async fn left(&self) -> [usize; 2] {
            let of = async |user| self.curfew.list(user).await.unwrap().len();
            [of("ada").await, of("alan").await]
        }
    }

    #[tokio::test]
    async fn an_operator_ends_one_session_those_of_a_user_of_an_organization_and_all() {
        let place = Place::new().await;
        let id = place.curfew.list("ada").await.unwrap()[0].id();
        let one = format!("--session {id}");
        for (which, told, left) in [
            (&*one, "session.revoked", [0, 1]),
            ("--user alan", "session.revoked", [1, 0]),
            ("--org acme", "organization.revoked", [0, 1]),
            ("--org globex", "organization.revoked", [0, 0]),
            ("--everyone", "everyone.revoked", [0, 0]),
        ] {
            let place = if which == one { &place } else { &Place::new().await };
            let line = format!("revoke {which} --as incident-17 --store @sessions.db");
            let said = place.command(&line).await.unwrap();
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains(&format!("{told}  actor=\"incident-17\"")), "{said}");
            assert_eq!(place.left().await, left, "{which}");
        }
    }

    #[tokio::test]
    async fn whoever_is_listed_goes_on_and_can_be_ended_by_the_id() {
        let place = Place::new().await;
        let users = async |whose: &str| {
            let said = place.command(&format!("list {whose} --store @sessions.db")).await.unwrap();
            let word = |line: &str, number| line.split("  ").nth(number).unwrap().to_owned();
            Vec::from_iter(said.lines().map(|line| (word(line, 0), word(line, 1))))
        };
        let acme = users("--org acme").await;
        assert_eq!(acme, users("--user ada").await);
        assert_eq!(users("--org globex").await.len(), 2);
        assert_eq!(place.left().await, [1, 1]);
        let (id, user) = &acme[0];
        assert_eq!(user, "ada");
        let line = format!("revoke --session {id} --as tests --store @sessions.db");
        place.command(&line).await.unwrap();
        assert_eq!(place.left().await, [0, 1]);
        let again = place.command(&line).await.unwrap();
        assert_eq!(again, "there is no such session any more\n");
    }

    #[tokio::test]
    async fn what_cannot_be_revoked_says_what_to_do() {
        let place = Place::new().await;
        for (line, advice) in [
            ("revoke --as x --store @sessions.db", "--everyone"),
            ("revoke --everyone --store @sessions.db", "--as <NAME>"),
            ("revoke --everyone --as x", "--store <STORE>"),
            ("revoke --everyone --user ada --as x --store @sessions.db", "cannot be used with"),
            ("revoke --everyone --as x --store memory", "give sqlite:FILE"),
            ("revoke --everyone --as x --store @missing.db", "missing.db; check --store"),
            ("list --user ada --store @missing.db", "missing.db; check --store"),
        ] {
            let said = format!("{:#}", place.command(line).await.unwrap_err());
            assert!(said.contains(advice), "{said}");
        }
        assert!(!place.folder.path().join("missing.db").exists(), "and it is not created");
        assert_eq!(place.left().await, [1, 1]);
    }
}
