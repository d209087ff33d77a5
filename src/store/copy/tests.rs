//! Copying between stores in this process, files, and servers if they are configured.

use time::Duration;

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::judge::{AppLimits, judge};
use crate::limits::Limits;
use crate::policy::{Filed, OrgPolicy, RulesChanged, RulesCopy};
use crate::session::{
    ClientDetails, EndReason, Ended, FixedDeadline, Key, Link, Membership, SecretHash, SessionId,
    SessionKind, Stamp,
};
use crate::store::{Cap, Inserted, Listed, Loaded, MemoryStore, Page, Replaced};

// --- what is copied ------------------------------------------------------------------------------

const SIZE: Size = Size { sessions: 2_345, orgs: 40 };

#[tokio::test]
async fn a_copy_has_every_record_and_every_rule() {
    let from = Arc::new(MemoryStore::new());
    fill(&*from, SIZE).await;
    // From its own records, which know their previous revisions.
    let sessions = u64::from(SIZE.sessions);
    change_some(&*from, 50).await;
    let to = Arc::new(MemoryStore::new());
    let mut told = Vec::new();
    let copied = copy(&*from, &*to, |progress| told.push(progress)).await.unwrap();
    let expected = Copied { rules: 41, records: sessions, new: sessions, unreadable: 0 };
    assert_eq!(copied, expected);
    let steps = [1000, 2000, sessions];
    let expected = steps.map(|records| Progress { rules: 41, records, of_about: Some(sessions) });
    assert_eq!(told, expected);
    assert_eq!(are_equal(&from, &to).await, sessions);
    are_listed_alike(&*from, &*to).await;

    let again = copy(&*from, &*to, |_| {}).await.unwrap();
    assert_eq!(again, Copied { new: 0, ..copied });
    assert_eq!(are_equal(&from, &to).await, sessions);
}

/// The target as a killed copy leaves it: with a part of the rules and records.
#[tokio::test]
async fn what_is_there_already_is_passed_over() {
    let from = Arc::new(MemoryStore::new());
    fill(&*from, SIZE).await;
    let to = Arc::new(MemoryStore::new());
    let some = all_rules(&*from).await.unwrap().into_iter().take(7);
    for (org, rules) in some {
        let rules = rules.unwrap().in_place_of(Revision::NONE);
        assert!(to.replace_rules(&org, rules, at(0)).await.unwrap());
    }
    let page = from.scan(None, 1234).await.unwrap();
    assert_eq!(to.import(page.records).await.unwrap(), 1234);
    let copied = copy(&*from, &*to, |_| {}).await.unwrap();
    assert_eq!(copied.new, u64::from(SIZE.sessions) - 1234);
    assert_eq!(are_equal(&from, &to).await, u64::from(SIZE.sessions));
    are_listed_alike(&*from, &*to).await;
}

/// Other tasks run between two pages.
#[tokio::test]
async fn trap_40_a_copy_lets_others_run_meanwhile() {
    let from = MemoryStore::new();
    fill(&from, Size { sessions: 5_000, orgs: 0 }).await;
    let turns = tokio::spawn(async {
        for turn in 1_u32.. {
            yield_now().await;
            if turn == 4 {
                return turn;
            }
        }
        0
    });
    copy(&from, &MemoryStore::new(), |_| {}).await.unwrap();
    assert!(turns.is_finished(), "it did not run between the pages");
}

// --- what stands in the way ----------------------------------------------------------------------

#[tokio::test]
async fn a_target_with_other_rules_is_refused_and_left_as_it_was() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    fill(&from, SIZE).await;
    for org in ["org 3", "of its own"] {
        let rules = OrgRules::none().with_revocation(at(1), 9);
        assert!(to.replace_rules(org, rules, at(1)).await.unwrap());
    }
    let error = copy(&from, &to, |_| panic!("nothing is copied")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store that is copied into has other rules for 2 of the organizations than the source, \
         so it is in use already; take an empty store"
    );
    assert_eq!(all_rules(&to).await.unwrap().len(), 2);
    assert_eq!(to.scan(None, 1).await.unwrap().records.len(), 0);
}

#[tokio::test]
async fn a_target_that_has_a_session_in_another_state_is_refused() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    fill(&from, SIZE).await;
    copy(&from, &to, |_| {}).await.unwrap();
    change_some(&to, 1).await;
    let error = copy(&from, &to, |_| {}).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.ends_with("it is in use already; take an empty store"), "{cause}");
}

#[tokio::test]
async fn a_store_that_does_not_scan_is_refused_before_anything_is_written() {
    let (from, to) = (Minimal(MemoryStore::new()), MemoryStore::new());
    fill(&from.0, SIZE).await;
    let error = copy(&from, &to, |_| panic!("nothing is copied")).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the store that is to be copied");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "this session store cannot be read out; implement `Store::scan` for it");
    assert_eq!(all_rules(&to).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_store_with_seven_methods_is_copied_into() {
    let (from, to) = (Arc::new(MemoryStore::new()), Arc::new(Minimal(MemoryStore::new())));
    fill(&*from, SIZE).await;
    change_some(&*from, 50).await;
    for new in [u64::from(SIZE.sessions), 0] {
        assert_eq!(copy(&*from, &*to, |_| {}).await.unwrap().new, new);
    }
    are_equal(&from, &to).await;
    are_listed_alike(&*from, &*to).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn rules_that_cannot_be_read_are_an_error_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let from = crate::store::SqliteStore::open(&file).await.unwrap();
    fill(&from, SIZE).await;
    let damage = "UPDATE curfew_rules SET body = x'00' WHERE org IN ('org 1', 'org 2')";
    rusqlite::Connection::open(&file).unwrap().execute(damage, []).unwrap();
    let to = MemoryStore::new();
    let error = copy(&from, &to, |_| panic!("nothing is copied")).await.unwrap_err().to_string();
    assert!(error.starts_with("the rules of 2 of the organizations cannot be read"), "{error}");
    assert_eq!(all_rules(&to).await.unwrap().len(), 0);
    assert_eq!(to.scan(None, 1).await.unwrap().records.len(), 0);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn records_that_cannot_be_read_are_counted_and_the_others_copied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let from = crate::store::SqliteStore::open(&file).await.unwrap();
    fill(&from, SIZE).await;
    let damage = "UPDATE curfew_sessions SET body = x'00' WHERE rowid % 100 = 7";
    let damaged = rusqlite::Connection::open(&file).unwrap().execute(damage, []).unwrap();
    let copied = copy(&from, &MemoryStore::new(), |_| {}).await.unwrap();
    assert_eq!(copied.unreadable, damaged as u64);
    assert_eq!(copied.records, u64::from(SIZE.sessions) - damaged as u64);
}

// --- from one engine to another ------------------------------------------------------------------

#[cfg(feature = "sqlite")]
mod engines {
    use std::env;
    use std::io::{BufRead as _, BufReader};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::store::SqliteStore;

    /// The source and the target; for a server, a schema or a prefix.
    const FROM: &str = "CURFEW_COPY_FROM";
    const TO: &str = "CURFEW_COPY_TO";
    const PAGES: &str = "CURFEW_COPY_PAGES";

    /// Copies in a process that a test has started, prints its progress, and stops before the last
    /// page, where it is killed.
    async fn copies_if_it_is_to_be_killed() {
        let Some(from) = env::var_os(FROM) else { return };
        let from = SqliteStore::open(from).await.unwrap();
        let pages: u64 = env::var(PAGES).unwrap().parse().unwrap();
        let to = env::var(TO).unwrap();
        let say = |progress: Progress| {
            println!("copied {}", progress.records);
            while pages * u64::from(PAGE) <= progress.records {
                std::thread::park();
            }
        };
        let copied = match to.split_once(' ') {
            #[cfg(feature = "postgres")]
            Some(("postgres", schema)) => copy(&from, &postgres(schema).await.unwrap(), say).await,
            #[cfg(feature = "redis")]
            Some(("redis", prefix)) => copy(&from, &redis(prefix).await.unwrap(), say).await,
            _ => copy(&from, &SqliteStore::open(to).await.unwrap(), say).await,
        };
        panic!("it comes to its end: {copied:?}");
    }

    /// Runs this test in a separate process, which is killed soon after its copy has reached a
    /// page.
    fn killed_after(test: &str, pages: u64, of: u64, from: &Path, to: &str) {
        let test = format!("store::copy::tests::engines::{test}");
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env(FROM, from)
            .env(TO, to)
            .env(PAGES, (of - 1).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = 0;
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            told += u64::from(line.unwrap().contains("copied "));
            if told == pages {
                process.kill().unwrap();
            }
        }
        assert!(!process.wait().unwrap().success());
        assert!(pages <= told, "{told} pages");
    }

    #[cfg(feature = "postgres")]
    pub(super) async fn postgres(schema: &str) -> Option<crate::store::PostgresStore> {
        let url = server("POSTGRES")?;
        let options = crate::store::PostgresStore::options(url).schema(schema);
        Some(options.without_clock_check().connect().await.unwrap())
    }

    #[cfg(feature = "redis")]
    pub(super) async fn redis(prefix: &str) -> Option<crate::store::RedisStore> {
        let url = server("REDIS")?;
        let options = crate::store::RedisStore::options(url).prefix(prefix);
        Some(options.without_clock_check().connect().await.unwrap())
    }

    #[cfg(any(feature = "postgres", feature = "redis"))]
    fn server(engine: &str) -> Option<String> {
        let variable = format!("CURFEW_TEST_{engine}");
        let url = env::var(&variable).ok();
        if url.is_none() {
            eprintln!("skipped over {engine}; set {variable}");
        }
        url
    }

    #[cfg(any(feature = "postgres", feature = "redis"))]
    fn unique() -> String {
        let id = crate::token::random_id();
        id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    struct Source {
        _folder: tempfile::TempDir,
        path: PathBuf,
        store: Arc<SqliteStore>,
        size: Size,
    }

    async fn source() -> Source {
        let is_long = env::var_os("CURFEW_LONG").is_some_and(|long| long == "1");
        let size = if is_long {
            Size { sessions: 1_000_000, orgs: 1000 }
        } else {
            Size { sessions: 10_000, orgs: 100 }
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        fill(&*store, size).await;
        Source { _folder: folder, path, store, size }
    }

    /// A store that was copied in two parts has all data of its source, and gives the same
    /// verdicts.
    async fn goes_on<S: Store>(source: &Source, to: &Arc<S>) {
        let begun = SystemClock.now();
        let copied = copy(&*source.store, &**to, |_| {}).await.unwrap();
        let took = SystemClock.now().since(begun);
        let sessions = u64::from(source.size.sessions);
        assert_eq!((copied.records, copied.unreadable), (sessions, 0));
        assert_eq!(copied.rules, u64::from(source.size.orgs) + 1);
        assert!(0 < copied.new && copied.new < sessions, "it was killed in the middle");
        let begun = SystemClock.now();
        assert_eq!(are_equal(&source.store, to).await, sessions);
        are_listed_alike(&*source.store, &**to).await;
        let compared = SystemClock.now().since(begun);
        println!("{} of {sessions} in {took}; compared in {compared}", copied.new);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_into_a_file_that_was_killed_goes_on() {
        copies_if_it_is_to_be_killed().await;
        let name = "a_copy_into_a_file_that_was_killed_goes_on";
        let source = source().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy.db");
        let pages = u64::from(source.size.sessions) / u64::from(PAGE);
        killed_after(name, pages / 3, pages, &source.path, file.to_str().unwrap());
        goes_on(&source, &Arc::new(SqliteStore::open(&file).await.unwrap())).await;
    }

    #[cfg(feature = "postgres")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_into_postgres_that_was_killed_goes_on() {
        copies_if_it_is_to_be_killed().await;
        let name = "a_copy_into_postgres_that_was_killed_goes_on";
        let schema = format!("copy_{}", unique());
        let Some(to) = postgres(&schema).await else { return };
        let source = source().await;
        let pages = u64::from(source.size.sessions) / u64::from(PAGE);
        let target = format!("postgres {schema}");
        killed_after(name, pages / 3, pages, &source.path, &target);
        goes_on(&source, &Arc::new(to)).await;
    }

    #[cfg(feature = "redis")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_into_redis_that_was_killed_goes_on() {
        copies_if_it_is_to_be_killed().await;
        let name = "a_copy_into_redis_that_was_killed_goes_on";
        let prefix = format!("copy-{}:", unique());
        let Some(to) = redis(&prefix).await else { return };
        let source = source().await;
        let pages = u64::from(source.size.sessions) / u64::from(PAGE);
        killed_after(name, pages / 3, pages, &source.path, &format!("redis {prefix}"));
        goes_on(&source, &Arc::new(to)).await;
    }
}

// --- sessions and rules of all kinds -------------------------------------------------------------

#[derive(Clone, Copy)]
struct Size {
    sessions: u32,
    orgs: u32,
}

/// Days of the year 2100: Redis deletes what is due by its own clock.
fn at(day: i64) -> Timestamp {
    Timestamp::from_unix_millis(4_102_444_800_000) + Duration::days(day)
}

async fn fill(store: &impl Store, size: Size) {
    for (org, rules) in rules(size) {
        let rules = rules.in_place_of(Revision::NONE);
        assert!(store.replace_rules(&org, rules, at(60)).await.unwrap());
    }
    let numbers = Vec::from_iter(0..size.sessions);
    for numbers in numbers.chunks(1000) {
        let records: Vec<_> =
            numbers.iter().map(|number| Arc::new(session(*number, size))).collect();
        assert_eq!(store.import(records).await.unwrap(), numbers.len() as u64);
    }
}

/// Policies with several versions, revocations, and rules for everyone.
fn rules(size: Size) -> Vec<(String, OrgRules)> {
    let everyone = OrgRules::none().with_longest_silence(Duration::days(35), 1);
    let orgs = (0..size.orgs).map(|number| {
        let mut rules = OrgRules::none();
        for version in 0..=number % 4 {
            let policy = match (number + version) % 4 {
                0 => Some(OrgPolicy::absolute(Duration::days(7 + i64::from(version)))),
                1 => Some(OrgPolicy::idle(Duration::minutes(15 + i64::from(number)))),
                2 => Some(OrgPolicy::absolute(Duration::days(20)).and_idle(Duration::days(3))),
                _ => None,
            };
            let begins = at(i64::from(10 * version + number % 7));
            rules = rules.with_policy(policy, Duration::days(35), begins, number).unwrap();
        }
        if number.is_multiple_of(5) {
            rules = rules.with_revocation(at(25), number);
        }
        (format!("org {number}"), rules)
    });
    [(OrgRules::EVERYONE.to_owned(), everyone)].into_iter().chain(orgs).collect()
}

/// Of one user in three: browsers and tokens, in no, one or several organizations, in use, unused,
/// and ended.
fn session(number: u32, size: Size) -> Record {
    let mut bytes = [0; 16];
    let spread = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&(spread ^ spread >> 29).to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    let secret = SecretHash::from_bytes([number as u8; 32]);
    let user = format!("user-{:08x}", number / 3);
    let created = at(i64::from(number % 40)) + Duration::milliseconds(number.into());
    let client = ClientDetails {
        agent: number.is_multiple_of(2).then(|| format!("Mozilla/5.0 ({})", number % 50).into()),
        device: Some("Firefox on Linux".into()),
        address: Some(std::net::Ipv4Addr::from(number).into()),
        location: number.is_multiple_of(3).then(|| "Genève".into()),
    };
    let stamp = |of: u32| match of % 3 {
        0 => Stamp::default(),
        _ => Stamp {
            generation: if of.is_multiple_of(2) { 0 } else { at(30).unix_millis() as u64 },
            version: at(i64::from(of % 20)).unix_millis() as u64,
            known: at(i64::from(of % 40)).unix_millis() as u64,
        },
    };
    let orgs = (0..number % 4).filter(|_| 0 < size.orgs).map(|of| Membership {
        org: format!("org {}", (number * 7 + of) % size.orgs).into(),
        stamp: stamp(number / 3 + of),
        joined: created + Duration::hours(of.into()),
    });
    let record = Record::begin(SessionId::from_bytes(bytes), secret, user, created, number)
        .with_limits(match number % 3 {
            0 => Limits::idle(Duration::days(28)),
            1 => Limits::absolute(Duration::days(30)).and_idle(Duration::hours(12)),
            _ => Limits::absolute(Duration::days(9)),
        })
        .with_memberships(orgs.collect())
        .with_client(&client)
        .with_purge_after(created + Duration::days(42));
    let record = match number % 11 {
        0 => record.with_kind(SessionKind::Token).with_name(Some("laptop".into())),
        1 => record.with_kind(SessionKind::BrowserUntilClosed),
        2 => record.with_fixed_deadline(Some(FixedDeadline {
            at: created + Duration::days(5),
            org: Some("org 1".into()),
        })),
        3 => record
            .with_links(vec![Link { kind: "oidc".into(), value: format!("sid {number}").into() }]),
        4 => record.with_methods(["pwd".into(), "otp".into()]),
        _ => record,
    };
    match number % 5 {
        0 => record,
        1 | 2 => record.next(number).with_activity(created + Duration::hours(30)),
        3 => {
            let org = number.is_multiple_of(2).then(|| "org 2".into());
            let reason = [EndReason::Absolute, EndReason::Idle, EndReason::Revoked]
                [(number / 5 % 3) as usize];
            record.next(number).with_end(Ended { at: created + Duration::DAY, reason, org })
        }
        _ => record.next(number).with_authentication(created + Duration::HOUR),
    }
}

/// Changes this many sessions.
async fn change_some(store: &impl Store, many: u32) {
    let page = store.scan(None, 4 * many).await.unwrap();
    let living = page.records.iter().filter(|record| !record.has_ended()).take(many as usize);
    for (number, record) in living.enumerate() {
        let next = record.next(number as u32).with_activity(record.last_seen() + Duration::HOUR);
        assert_eq!(store.replace(Arc::new(next)).await.unwrap(), Replaced::Done);
    }
}

// --- whether two stores say the same -------------------------------------------------------------

/// Asserts that all rules and records are equal, byte by byte, and each verdict at a hundred
/// instants. Returns the number of records.
async fn are_equal<F: Store, T: Store>(from: &Arc<F>, to: &Arc<T>) -> u64 {
    let bytes = |rules: FoundRules| {
        let rules = rules.into_iter().map(|(org, rules)| (org, rules.unwrap().encode()));
        HashMap::<_, _>::from_iter(rules)
    };
    let rules = all_rules(&**from).await.unwrap();
    assert!(!rules.is_empty());
    assert_eq!(bytes(all_rules(&**to).await.unwrap()), bytes(rules));
    let copies = Arc::new((copy_of_rules(&**from).await, copy_of_rules(&**to).await));

    let mut count = 0;
    let mut after = None;
    loop {
        let page = from.scan(after, 1000).await.unwrap();
        count += page.records.len() as u64;
        let mut compared = tokio::task::JoinSet::new();
        for records in page.records.chunks(125) {
            let (records, to, copies) = (records.to_vec(), to.clone(), copies.clone());
            compared.spawn(async move {
                for record in records {
                    let found = to.load(record.id()).await.unwrap().expect("it was copied").record;
                    assert_eq!(found.encode(), record.encode());
                    // From equal bytes follow equal verdicts, and an unoptimized judge is slow.
                    if !cfg!(debug_assertions) || record.id().as_bytes()[15] % 16 == 0 {
                        are_judged_alike(&record, &copies.0, &found, &copies.1);
                    }
                }
            });
        }
        compared.join_all().await;
        after = page.next;
        if after.is_none() {
            return count;
        }
    }
}

async fn copy_of_rules(store: &impl Store) -> RulesCopy {
    let mut copy = RulesCopy::default();
    loop {
        let asked = copy.revision();
        let answer = store.rules_since(asked, 1000).await.unwrap();
        let is_last = answer.changes.len() < 1000;
        assert_eq!(copy.file(asked, answer), Filed::Done);
        if is_last {
            return copy;
        }
    }
}

fn are_judged_alike(one: &Record, its_rules: &RulesCopy, other: &Record, their_rules: &RulesCopy) {
    let app = AppLimits {
        browsers: Limits::idle(Duration::days(28)),
        tokens: Limits::absolute(Duration::days(90)),
        refresh: Duration::HOUR,
    };
    let clock = ManualClock::default();
    clock.set(at(-1));
    for _ in 0..100 {
        clock.advance(Duration::hours(19) + Duration::milliseconds(7_919));
        let now = clock.now();
        let verdict = judge(one, its_rules.rules(), &app, now).unwrap();
        assert_eq!(judge(other, their_rules.rules(), &app, now).unwrap(), verdict, "at {now}");
    }
}

/// Asserts that users and organizations have the same sessions in their lists.
async fn are_listed_alike(from: &impl Store, to: &impl Store) {
    let users = (0..50).map(|number| Key::user(&format!("user-{number:08x}")));
    let orgs = (0..10).map(|number| Key::org(&format!("org {number}")));
    let links = (0..50).map(|number| Key::link("oidc", &format!("sid {number}")));
    let mut listed = 0;
    for key in users.chain(orgs).chain(links) {
        let page = || Page { after: None, at_most: 500 };
        let one = from.list(&key, page()).await.unwrap();
        let other = to.list(&key, page()).await.unwrap();
        let ids = |listed: Listed| -> Vec<SessionId> {
            listed.records.iter().map(|record| record.id()).collect()
        };
        let one = ids(one);
        listed += one.len();
        assert_eq!(ids(other), one, "{key:?}");
    }
    assert!(0 < listed);
}

/// A store with only the required methods.
struct Minimal(MemoryStore);

impl Store for Minimal {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.0.insert(record, cap).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.0.load(id).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        self.0.replace(record).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        self.0.list(key, page).await
    }

    async fn rules_since(&self, after: Revision, most: u32) -> Result<RulesChanged, StoreError> {
        self.0.rules_since(after, most).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.replace_rules(org, rules, now).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.0.purge(now, at_most).await
    }
}
