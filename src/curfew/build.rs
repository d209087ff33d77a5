//! Builds a handle from its settings, or reports the setting that is wrong.

use std::sync::Arc;

use time::Duration;

use super::background::{BackgroundTask, DetachedWork};
use super::builder::Builder;
use super::copy::NodeRules;
use super::error::ConfigError;
use super::failures::Failures;
use super::handle::{Curfew, Inner};
use super::once::Once;
use crate::client::{ClientReader, Proxies};
use crate::judge::AppLimits;
use crate::meter;
use crate::request::{Credentials, is_origin, is_plain_to_all};

impl Builder {
    /// Builds the handle.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] that names the first invalid setting and its value.
    pub fn build(self) -> Result<Curfew, ConfigError> {
        between("refresh_every", self.refresh, Duration::SECOND, Duration::WEEK)?;
        between("timeout", self.timeout, Duration::MILLISECOND, Duration::MINUTE)?;
        if let Some(interval) = self.purge_every {
            between("purge_every", interval, Duration::SECOND, Duration::WEEK)?;
        }
        let (shortest, longest) = self.policy_bounds;
        between("policy_bounds", shortest, Duration::MILLISECOND, longest)?;
        between("policy_bounds", longest, shortest, Duration::days(36_500))?;
        if self.cap.0 == 0 {
            let message = "at_most_per_user is 0: nobody could ever sign in".to_owned();
            return Err(ConfigError::new(message));
        }
        let confirm_at = self.confirm_at.unwrap_or_else(|| self.login_at.clone());
        for (setting, path) in [("login_at", &self.login_at), ("confirm_at", &confirm_at)] {
            // The path stands between quotes in a header, and is not a pattern of paths.
            if !is_plain_to_all(path) || path.contains(['#', '"', '*']) {
                return Err(ConfigError::new(format!(
                    "{setting} is {path:?}, which is no plain path on this host such as \"/login\""
                )));
            }
        }
        if let Some(origin) = self.trusted_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError::new(format!(
                "trust_origins is given {origin:?}, which is no origin such as \
                 \"https://app.example.com\""
            )));
        }
        let proxies = self
            .proxies
            .map(|(networks, header)| Proxies::new(networks, header))
            .transpose()
            .map_err(|invalid| ConfigError::new(format!("trust_proxies: {invalid}")))?;
        let cookie = self.cookie.build()?;
        meter::describe();
        let inner = Inner {
            store: self.store,
            rules: NodeRules::default(),
            failures: Failures::default(),
            credentials: Credentials::new(&self.keyring, cookie.name()),
            cookie,
            told_of_dropped_cookie: Once::default(),
            told_of_passive_route: Once::default(),
            app: AppLimits {
                browsers: self.limits,
                tokens: self.token_limits.unwrap_or(self.limits),
                refresh: self.refresh,
            },
            cap: self.cap,
            policy_bounds: self.policy_bounds,
            login_at: self.login_at,
            confirm_at,
            reject: self.reject,
            client_reader: ClientReader { proxies, ..self.client_reader },
            trusted_origins: self.trusted_origins,
            on_event: self.on_event,
            timeout: self.timeout.unsigned_abs(),
            purge_every: self.purge_every.map(Duration::unsigned_abs),
            purging: BackgroundTask::default(),
            watching: BackgroundTask::default(),
            waiting: Arc::default(),
            detached: DetachedWork::none(),
            clock: self.clock,
        };
        Ok(Curfew { inner: Arc::new(inner) })
    }
}

fn between(
    setting: &str,
    given: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(ConfigError::new(format!("{setting} is {given}, which is not between {least} and {most}")))
}
