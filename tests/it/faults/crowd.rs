//! 64 people at once, who go on while something goes wrong, and count what happens to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::header::COOKIE;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use crate::support::{Answer, Browser, Site, hours, navigation};

const PEOPLE: usize = 64;

/// As long as one call of the store may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Twice that is as long as an answer may take; some of it goes to a test that has no machine to
/// itself.
const SLACK: Duration = Duration::from_millis(250);

/// Each crowd has the machine to itself, as far as other crowds go.
static TURN: Mutex<()> = Mutex::const_new(());

/// People at work on a site.
pub(super) struct Crowd {
    site: Arc<Site>,
    goes_home: Arc<AtomicBool>,
    people: Vec<JoinHandle<Person>>,
    ticks: JoinHandle<()>,
    counts: Arc<Counts>,
    _turn: MutexGuard<'static, ()>,
}

/// How many answers there were.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) served: AtomicU64,
    pub(super) unavailable: AtomicU64,
    /// The longest that an answer took, and by how much a timer came late, in milliseconds.
    slowest: AtomicU64,
    latest: AtomicU64,
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
    /// Everybody signs in, and begins to work.
    pub(super) async fn at(site: Site) -> Self {
        let turn = TURN.lock().await;
        let site = Arc::new(site);
        let (goes_home, counts) = (Arc::new(AtomicBool::new(false)), Arc::<Counts>::default());
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            let name = format!("person {number}");
            let user = format!("p{number}");
            let ended = site.signed_in(&user, &["acme"]).await;
            assert_eq!(ended.clone().post("/logout").await.status, 200);
            let at_work = site.signed_in(&user, &["acme"]).await;
            let (signed_in, signed_out) = (Vec::new(), Vec::new());
            let person = Person { name, at_work, ended, signed_in, signed_out };
            people.push(person);
        }
        let people = people.into_iter().map(|person| {
            tokio::spawn(person.work(site.clone(), goes_home.clone(), counts.clone()))
        });
        let people = people.collect();
        // So that activity is to be recorded again and again.
        let ticks = tokio::spawn({
            let (site, goes_home, counts) = (site.clone(), goes_home.clone(), counts.clone());
            async move {
                let pause = Duration::from_millis(200);
                while !goes_home.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    tokio::time::sleep(pause).await;
                    counts.latest.fetch_max(millis(began.elapsed() - pause), Ordering::SeqCst);
                    site.pass(hours(2));
                }
            }
        });
        Self { site, goes_home, people, ticks, counts, _turn: turn }
    }

    /// Waits, and says how many requests were answered meanwhile: served, and with 503.
    pub(super) async fn works_for(&self, time: Duration) -> (u64, u64) {
        let counts = || {
            let Counts { served, unavailable, .. } = &*self.counts;
            (served.load(Ordering::SeqCst), unavailable.load(Ordering::SeqCst))
        };
        let before = counts();
        tokio::time::sleep(time).await;
        let after = counts();
        (after.0 - before.0, after.1 - before.1)
    }

    /// Waits until everything is well again.
    pub(super) async fn recovers(&self) {
        let began = Instant::now();
        while !is_well(self.works_for(Duration::from_millis(500)).await) {
            assert!(began.elapsed() < Duration::from_secs(20), "it does not recover");
        }
    }

    /// Everybody stops working. Whoever was told to be signed in is; whoever was told to be signed
    /// out, or was so before, is not.
    pub(super) async fn goes_home(self) {
        self.goes_home.store(true, Ordering::SeqCst);
        self.ticks.await.unwrap();
        let at = |count: &AtomicU64| Duration::from_millis(count.load(Ordering::SeqCst));
        let (slowest, latest) = (at(&self.counts.slowest), at(&self.counts.latest));
        assert!(slowest <= TIMEOUT * 2 + latest + SLACK, "{slowest:?}, timers {latest:?} late");
        let (mut ins, mut outs) = (0, 0);
        for person in self.people {
            let Person { name, mut at_work, ended, signed_in, signed_out } = person.await.unwrap();
            assert!(at_work.is_signed_in().await, "{name}");
            for mut browser in signed_in {
                assert!(browser.is_signed_in().await, "{name} was told to be signed in");
                ins += 1;
            }
            for mut browser in signed_out.into_iter().chain([ended]) {
                assert_eq!(browser.turned_away_because().await, "revoked", "{name}");
                outs += 1;
            }
        }
        assert!(
            ins >= PEOPLE / 2 && outs > PEOPLE,
            "{ins} and {outs} are too few to show anything"
        );
        drop(self.site);
    }
}

/// A machine that does much else lets a call time out now and then.
fn is_well((served, unavailable): (u64, u64)) -> bool {
    unavailable * 20 < served
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
            let answer = self.does_something(&site, turn).await;
            counts.slowest.fetch_max(millis(began.elapsed()), Ordering::SeqCst);
            let count = if answer.status == 503 { &counts.unavailable } else { &counts.served };
            count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self
    }

    async fn does_something(&mut self, site: &Site, turn: u64) -> Answer {
        match turn % 8 {
            0 => self.signs_in(site, turn).await,
            1 => self.signs_out().await,
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

    async fn signs_in(&mut self, site: &Site, turn: u64) -> Answer {
        let mut browser = site.browser();
        let user = format!("{} {turn}", self.name).replace(' ', "-");
        let answer = browser.post(&format!("/login?user={user}&org=acme")).await;
        self.is_told(&answer, &[303, 503]);
        if answer.status == 303 {
            self.signed_in.push(browser);
        }
        answer
    }

    /// Every other one of those who have signed in signs out again.
    async fn signs_out(&mut self) -> Answer {
        let browser = match self.signed_in.len() % 2 {
            0 => self.signed_in.pop(),
            _ => None,
        };
        let Some(mut browser) = browser else {
            let answer = self.at_work.open("/landing").await;
            self.is_told(&answer, &[200, 503]);
            return answer;
        };
        let before = browser.clone();
        let answer = browser.post("/logout").await;
        self.is_told(&answer, &[200, 503]);
        // Whoever is not told so may be signed out or not.
        if answer.status == 200 {
            self.signed_out.push(before);
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
