//! People who come all at once, and go on while something goes wrong, and count what happens to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use axum::http::header::COOKIE;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use crate::support::{Answer, AnyStore, Browser, Site, days, hours, is_long, navigation};

/// More than a busy machine can serve would be an outage of its own.
fn how_many() -> u64 {
    if is_long() { 64 } else { 16 }
}

/// So many different things each of them does, one after the other. This one is to sign out.
const TURNS: u64 = 8;
const SIGNS_OUT: u64 = 1;

/// As long as one call of the store may take.
const TIMEOUT: time::Duration = time::Duration::SECOND;

/// Twice that is as long as an answer may take, and a bit more for what is done in between.
const SLACK: Duration = Duration::from_millis(250);

/// So often at most an answer waits until it is this task's turn, or until a timer goes off: to read,
/// to write, and each time for the task that works to the end although the caller may leave. Each comes
/// as late as this machine is busy.
const WAITS: u32 = 4;

/// Longer than what is waited for takes on the slowest machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// Longer than the longest fault with large counts takes.
const LONGEST_TURN: Duration = Duration::from_secs(1200);

/// Each crowd, with its server, has the machine to itself, as far as other crowds go.
///
/// What never comes to an end would keep all others waiting, and nobody would know which it was.
pub(super) struct Turn {
    _others_wait: MutexGuard<'static, ()>,
    _is_over: Sender<()>,
}

#[expect(clippy::print_stderr, reason = "the run ends, and nothing else says why")]
pub(super) async fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::const_new(());
    let name = thread::current().name().map(str::to_owned);
    let others_wait = TURN.lock().await;
    let (is_over, watched) = mpsc::channel();
    thread::spawn(move || {
        if watched.recv_timeout(LONGEST_TURN) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name:?} has not come to an end in {LONGEST_TURN:?}");
            std::process::exit(1);
        }
    });
    Turn { _others_wait: others_wait, _is_over: is_over }
}

/// People at work on a site.
pub(super) struct Crowd {
    site: Arc<Site>,
    /// One more node, which waits for the store as long as it takes: through it everybody comes, and
    /// goes.
    patient: Site,
    goes_home: Arc<AtomicBool>,
    people: Vec<JoinHandle<Person>>,
    ticks: JoinHandle<()>,
    counts: Arc<Counts>,
    sign_ins_may_be_lost: bool,
    _turn: Turn,
}

/// How many answers there were.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) served: AtomicU64,
    pub(super) unavailable: AtomicU64,
    /// Of these, those who did not ask to be signed out.
    unserved: AtomicU64,
    /// The longest that an answer took, and by how much a timer came late, in milliseconds.
    slowest: AtomicU64,
    latest: AtomicU64,
    /// Those who were told that they are signed in, and did not begin to sign out.
    signed_in: AtomicU64,
    signed_out: AtomicU64,
}

impl Counts {
    /// How many requests were answered so far: served, and with 503.
    fn answered(&self) -> (u64, u64) {
        (self.served.load(Ordering::SeqCst), self.unavailable.load(Ordering::SeqCst))
    }
}

/// Who signed in before anything went wrong, and what they did since.
struct Person {
    name: String,
    at_work: Browser,
    ended: Browser,
    /// Signed in since, and told so.
    signed_in: Vec<Browser>,
    /// Signed out since, and told so.
    signed_out: Vec<Browser>,
}

impl Crowd {
    /// Everybody signs in at a site over this store, and begins to work.
    pub(super) async fn over(turn: Turn, store: AnyStore) -> Self {
        let patient = Site::over(store, |builder| builder);
        let site = Arc::new(patient.deployed_with(|builder| builder.timeout(TIMEOUT)));
        let (goes_home, counts) = (Arc::new(AtomicBool::new(false)), Arc::<Counts>::default());
        let mut people = Vec::new();
        for number in 0..how_many() {
            let name = format!("person {number}");
            let user = format!("p{number}");
            let ended = patient.signed_in(&user, &["acme"]).await;
            let mut status = ended.clone().post("/logout").await.status;
            // A busy machine may keep replicas from acknowledging it in time. Once they have, whoever
            // signs out again is sent to sign in.
            let is_unsure = status == 503;
            for _ in 0..60 {
                if status == 503 {
                    status = ended.clone().post("/logout").await.status;
                }
            }
            assert!(status == 200 || is_unsure && status == 303, "{status}");
            let at_work = patient.signed_in(&user, &["acme"]).await;
            let [ended, at_work] = [ended, at_work].map(|browser| browser.at(&site.router));
            let (signed_in, signed_out) = (Vec::new(), Vec::new());
            let person = Person { name, at_work, ended, signed_in, signed_out };
            people.push(person);
        }
        let people = people.into_iter().map(|person| {
            tokio::spawn(person.work(site.clone(), goes_home.clone(), counts.clone()))
        });
        let people = people.collect();
        // So that activity is to be recorded again and again, but no more often than people come: on a busy
        // machine that would leave the store no time for anything else.
        let ticks = tokio::spawn({
            let (site, goes_home, counts) = (site.clone(), goes_home.clone(), counts.clone());
            async move {
                // Short, so that little of what holds up others is missed.
                let pause = Duration::from_millis(10);
                let (mut due, began_at) = (0_u64, site.now());
                while !goes_home.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    tokio::time::sleep(pause).await;
                    counts.latest.fetch_max(millis(began.elapsed() - pause), Ordering::SeqCst);
                    let (served, unavailable) = counts.answered();
                    // Never so much that somebody who is signed in and does nothing would be idle.
                    if due <= served + unavailable && site.now().since(began_at) < days(20) {
                        site.pass(hours(2));
                        due = served + unavailable + TURNS * how_many();
                    }
                }
            }
        });
        let sign_ins_may_be_lost = false;
        Self { site, patient, goes_home, people, ticks, counts, sign_ins_may_be_lost, _turn: turn }
    }

    /// Over a store that waits for replicas only where something ends.
    #[cfg(feature = "redis")]
    pub(super) fn whose_sign_ins_may_be_lost(self) -> Self {
        Self { sign_ins_may_be_lost: true, ..self }
    }

    /// Waits for so long, and then on until it is so of how many requests were answered meanwhile:
    /// served, and with 503. Gives back how many they were.
    pub(super) async fn works_until(
        &self,
        at_least: Duration,
        is_so: impl Fn(u64, u64) -> bool,
    ) -> (u64, u64) {
        let (began, before) = (Instant::now(), self.counts.answered());
        tokio::time::sleep(at_least).await;
        loop {
            let (served, unavailable) = self.counts.answered();
            let (served, unavailable) = (served - before.0, unavailable - before.1);
            if is_so(served, unavailable) {
                return (served, unavailable);
            }
            let waited = began.elapsed();
            assert!(waited < PATIENCE, "{served} and {unavailable} after {waited:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until everything is well: of several turns of everybody hardly any was in vain.
    pub(super) async fn is_well(&self) {
        let began = Instant::now();
        let turns = TURNS * how_many();
        let enough = |served, unavailable| turns <= served + unavailable;
        loop {
            let (served, unavailable) = self.works_until(Duration::from_secs(1), enough).await;
            // A machine that does much else lets a call time out now and then.
            if unavailable * 20 < served {
                return;
            }
            let waited = began.elapsed();
            assert!(waited < PATIENCE, "not well after {waited:?}: {served} and {unavailable}");
        }
    }

    /// Waits until of several turns of everybody none was in vain, sign-outs aside: where a primary has no
    /// replica, nothing can confirm them.
    #[cfg(feature = "redis")]
    pub(super) async fn everybody_is_served(&self) {
        let began = Instant::now();
        let unserved = || self.counts.unserved.load(Ordering::SeqCst);
        let turns = TURNS * how_many();
        let mut before = unserved();
        loop {
            self.works_until(Duration::ZERO, |served, more| turns <= served + more).await;
            let now = unserved();
            if now == before {
                return;
            }
            let waited = began.elapsed();
            assert!(
                waited < PATIENCE,
                "{} of {turns} are not served after {waited:?}",
                now - before
            );
            before = now;
        }
    }

    /// Waits until so much was done that it shows something.
    async fn has_done_enough(&self) {
        let Counts { signed_in, signed_out, .. } = &*self.counts;
        let enough = |_, _| {
            let enough_in = how_many() / 2 <= signed_in.load(Ordering::SeqCst);
            enough_in && 0 < signed_out.load(Ordering::SeqCst)
        };
        self.works_until(Duration::ZERO, enough).await;
    }

    /// Everybody stops working. Whoever was told to be signed in is; whoever was told to be signed
    /// out, or was so before, is not.
    pub(super) async fn goes_home(self) {
        self.has_done_enough().await;
        self.goes_home.store(true, Ordering::SeqCst);
        self.ticks.await.unwrap();
        let at = |count: &AtomicU64| Duration::from_millis(count.load(Ordering::SeqCst));
        let (slowest, latest) = (at(&self.counts.slowest), at(&self.counts.latest));
        let bound = TIMEOUT.unsigned_abs() * 2 + latest * WAITS + SLACK;
        assert!(slowest <= bound, "{slowest:?}, timers {latest:?} late");
        let (mut ins, mut outs) = (0_u64, 0_u64);
        for person in self.people {
            let Person { name, at_work, ended, signed_in, signed_out } = person.await.unwrap();
            let patient = |browser: Browser| browser.at(&self.patient.router);
            assert!(patient(at_work).is_signed_in().await, "{name}");
            for mut browser in signed_in.into_iter().map(patient) {
                let is_there = browser.is_signed_in().await;
                assert!(is_there || self.sign_ins_may_be_lost, "{name} was told to be signed in");
                ins += 1;
            }
            for mut browser in signed_out.into_iter().chain([ended]).map(patient) {
                assert_eq!(browser.turned_away_because().await, "revoked", "{name}");
                outs += 1;
            }
        }
        assert!(
            ins >= how_many() / 2 && outs > how_many(),
            "{ins} and {outs} are too few to show anything"
        );
        drop(self.site);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

impl Person {
    async fn work(
        mut self,
        site: Arc<Site>,
        goes_home: Arc<AtomicBool>,
        counts: Arc<Counts>,
    ) -> Self {
        let mut turn = 0_u64;
        while !goes_home.load(Ordering::SeqCst) {
            turn += 1;
            let began = Instant::now();
            let answer = self.does_something(&site, &counts, turn).await;
            counts.slowest.fetch_max(millis(began.elapsed()), Ordering::SeqCst);
            let count = if answer.status == 503 { &counts.unavailable } else { &counts.served };
            count.fetch_add(1, Ordering::SeqCst);
            if answer.status == 503 && turn % TURNS != SIGNS_OUT {
                counts.unserved.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self
    }

    async fn does_something(&mut self, site: &Site, counts: &Counts, turn: u64) -> Answer {
        match turn % TURNS {
            0 => self.signs_in(site, counts, turn).await,
            SIGNS_OUT => self.signs_out(counts).await,
            2 => {
                let answer = self.ended.clone().fetch("GET", "/").await;
                self.is_told(&answer, &[401, 503]);
                answer
            }
            3 => {
                let mut request = navigation("GET", "/");
                let forged = format!("{}x", self.at_work.cookie.as_deref().unwrap());
                request.headers_mut().insert(COOKIE, forged.parse().unwrap());
                let answer = site.browser().send(request).await;
                self.is_told(&answer, &[303]);
                answer
            }
            4 => {
                let answer = site.browser().open("/").await;
                self.is_told(&answer, &[303]);
                answer
            }
            _ => {
                let answer = self.at_work.open("/").await;
                self.is_told(&answer, &[200, 503]);
                assert!(self.at_work.cookie.is_some(), "{}: {answer:?}", self.name);
                answer
            }
        }
    }

    async fn signs_in(&mut self, site: &Site, counts: &Counts, turn: u64) -> Answer {
        let mut browser = site.browser();
        let user = format!("{} {turn}", self.name).replace(' ', "-");
        let answer = browser.post(&format!("/login?user={user}&org=acme")).await;
        self.is_told(&answer, &[303, 503]);
        if answer.status == 303 {
            self.signed_in.push(browser);
            counts.signed_in.fetch_add(1, Ordering::SeqCst);
        }
        answer
    }

    /// Every other one of those who have signed in signs out again.
    async fn signs_out(&mut self, counts: &Counts) -> Answer {
        let browser = match self.signed_in.len() % 2 {
            0 => self.signed_in.pop(),
            _ => None,
        };
        let Some(mut browser) = browser else {
            let answer = self.at_work.open("/landing").await;
            self.is_told(&answer, &[200, 503]);
            return answer;
        };
        counts.signed_in.fetch_sub(1, Ordering::SeqCst);
        let before = browser.clone();
        let answer = browser.post("/logout").await;
        self.is_told(&answer, &[200, 503]);
        // Whoever is not told so may be signed out or not.
        if answer.status == 200 {
            self.signed_out.push(before);
            counts.signed_out.fetch_add(1, Ordering::SeqCst);
        }
        answer
    }

    #[track_caller]
    fn is_told(&self, answer: &Answer, statuses: &[u16]) {
        assert!(statuses.contains(&answer.status.as_u16()), "{}: {answer:?}", self.name);
        if answer.status == 503 {
            let clears = answer.set_cookies().iter().any(|cookie| cookie.contains("; Max-Age=0"));
            assert!(!clears, "{}: {answer:?}", self.name);
        }
    }
}
