//! What is asked of the scripts.

use std::sync::Arc;

use redis::{Script, ScriptInvocation, Value};

use super::super::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, RulesMissing, Selector, SessionId,
    SetOrgs, Swapped, Timestamp, Touch, Touched,
};
use super::failure::Failure;
use super::{Shared, answers, encoding};

impl Shared {
    pub(super) async fn insert(
        &self,
        record: &Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> Result<Insert, Failure> {
        let revoked = Ended::revoked(record.created);
        let mut call = self.call(&self.scripts.insert);
        call.arg(&record.id.as_bytes()[..])
            .arg(self.checks_clock)
            .arg(record.created.unix_millis())
            .arg(cap.map(|cap| cap.to_string()).unwrap_or_default())
            .arg(life(record.purge_after, record.created))
            .arg(&*record.user)
            .arg(record.ended.is_none())
            .arg(encoding::tail(record))
            .arg(OrgRules::first(record.created).to_string())
            .arg(encoding::ended(&revoked))
            .arg(revoked.purge_after().unix_millis())
            .arg(life(revoked.purge_after(), revoked.at))
            .arg(record.memberships.len());
        for membership in &record.memberships {
            call.arg(&*membership.org).arg(membership.joined.unix_millis());
        }
        for replaced in replaces {
            call.arg(&replaced.as_bytes()[..]);
        }
        match answers::word(self.link.run(&call).await?)?.as_str() {
            "done" => Ok(Insert::Stored),
            "full" => Ok(Insert::Full),
            "exists" => Err(Failure::Exists),
            "clock" => Err(Failure::ClocksDiffer),
            _ => Err(Failure::Nonsense),
        }
    }

    pub(super) async fn load(&self, id: SessionId) -> Result<Option<Facts>, Failure> {
        let mut call = self.call(&self.scripts.load);
        call.key(self.key("session:", id.as_bytes()));
        answers::loaded(id, self.link.run(&call).await?, self.checks_clock)
    }

    pub(super) async fn touch(&self, touch: &Touch) -> Result<Touched, Failure> {
        let mut call = self.call(&self.scripts.touch);
        call.arg(&touch.id.as_bytes()[..])
            .arg(&touch.secret_hash.as_bytes()[..])
            .arg(touch.seen.unix_millis())
            .arg(touch.last_seen.unix_millis())
            .arg(encoding::client(&touch.client))
            .arg(touch.purge_after.unix_millis())
            .arg(life(touch.purge_after, touch.seen));
        match answers::word(self.link.run(&call).await?)?.as_str() {
            "done" => Ok(Touched::Moved),
            "kept" => Ok(Touched::Kept),
            "gone" => Ok(Touched::Gone),
            _ => Err(Failure::Nonsense),
        }
    }

    pub(super) async fn rotate(&self, rotate: &Rotate) -> Result<Swapped, Failure> {
        let mut call = self.call(&self.scripts.rotate);
        call.arg(&rotate.id.as_bytes()[..])
            .arg(&rotate.old.as_bytes()[..])
            .arg(&rotate.new.as_bytes()[..])
            .arg(rotate.authenticated.map(encoding::number).unwrap_or_default());
        swapped(self.link.run(&call).await?)
    }

    pub(super) async fn set_orgs(&self, change: &SetOrgs) -> Result<Swapped, Failure> {
        let old = change.seen.record();
        let mut call = self.call(&self.scripts.set_orgs);
        call.arg(&old.id.as_bytes()[..])
            .arg(old.seen.unix_millis())
            .arg(encoding::ends_by(old.ends_by.as_ref()))
            .arg(encoding::memberships(&old.memberships))
            .arg(encoding::ends_by(change.ends_by.as_ref()))
            .arg(change.purge_after.unix_millis())
            .arg(life(change.purge_after, change.joined))
            .arg(OrgRules::first(change.joined).to_string())
            .arg(change.joined.unix_millis())
            .arg(old.memberships.len());
        for (_, rules) in change.seen.memberships() {
            call.arg(rules.revision());
        }
        for org in &change.orgs {
            let kept = old.memberships.iter().find(|membership| membership.org == *org);
            call.arg(&**org).arg(kept.map(encoding::stamp).unwrap_or_default());
        }
        swapped(self.link.run(&call).await?)
    }

    pub(super) async fn end(&self, which: &Selector, ended: &Ended) -> Result<u64, Failure> {
        let index = self.index(which);
        if index.is_some() || which.by_session().is_some() {
            let mut call = self.end_call(which, ended, index.as_deref());
            if let Some(id) = which.by_session() {
                call.arg(&id.as_bytes()[..]);
            }
            // Fewer than none are so many that one script would run for long.
            if let Ok(count) = u64::try_from(answers::count(&self.link.run(&call).await?)?) {
                return Ok(count);
            }
        }
        let Some(index) = index else {
            return Ok(0);
        };
        // A scan finds whatever is there from its beginning to its end, so all that matched when the
        // call began. What it finds twice ends once.
        let (mut cursor, mut count) = ("0".to_owned(), 0);
        loop {
            let mut call = self.scripts.ids.prepare_invoke();
            call.key(&index[..]).arg(&cursor);
            let (next, ids) = answers::scanned(self.link.run(&call).await?)?;
            for ids in ids.chunks(AT_ONCE) {
                let mut call = self.end_call(which, ended, None);
                for id in ids {
                    call.arg(id);
                }
                count += answers::count(&self.link.run(&call).await?)?;
            }
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        u64::try_from(count).map_err(|_| Failure::Nonsense)
    }

    fn end_call(
        &self,
        which: &Selector,
        ended: &Ended,
        index: Option<&[u8]>,
    ) -> ScriptInvocation<'_> {
        let mut call = self.call(&self.scripts.end);
        let (user, org) = (which.by_user(), which.by_org());
        let except = which.left_out();
        call.arg(encoding::ended(ended))
            .arg(ended.purge_after().unix_millis())
            .arg(life(ended.purge_after(), ended.at))
            .arg(user.is_some())
            .arg(user.map_or("", |user| &**user))
            .arg(org.is_some())
            .arg(org.map_or("", |org| &**org))
            .arg(except.as_ref().map_or(&[][..], |id| &id.as_bytes()[..]))
            .arg(which.by_last_seen().map(encoding::number).unwrap_or_default())
            .arg(index.unwrap_or_default())
            .arg(AT_ONCE);
        call
    }

    pub(super) async fn list(&self, which: &Selector, page: Page) -> Result<Vec<Facts>, Failure> {
        let at_most = page.at_most as usize;
        let is_after = |facts: &Facts| {
            let place = (facts.record().created, facts.record().id);
            page.after.is_none_or(|after| place < after)
        };
        let matches = |facts: &Facts| which.matches(facts.record()) && is_after(facts);
        let Some(index) = self.index(which) else {
            let found = match which.by_session() {
                Some(id) => self.load(id).await?,
                None => None,
            };
            return Ok(found.into_iter().filter(matches).take(at_most).collect());
        };
        let mut found = Vec::new();
        let after = page.after.map(|(time, id)| (encoding::number(time), id.as_bytes().to_vec()));
        let mut last = Some(after.unwrap_or_else(|| ("+inf".into(), Vec::new())));
        while let Some((score, id)) = last.take().filter(|_| found.len() < at_most) {
            let mut call = self.call(&self.scripts.list);
            call.arg(&index).arg(score).arg(id).arg(AT_ONCE.min(at_most - found.len()));
            let part = answers::listed(self.link.run(&call).await?, self.checks_clock)?;
            found.extend(part.found.into_iter().filter(matches));
            last = part.last;
        }
        Ok(found)
    }

    pub(super) async fn org_rules(&self, org: &str) -> Result<Option<Arc<OrgRules>>, Failure> {
        let mut call = self.scripts.org_rules.prepare_invoke();
        call.key(self.key("org:", org.as_bytes()));
        answers::rules(self.link.run(&call).await?)
    }

    pub(super) async fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: &OrgRules,
    ) -> Result<bool, Failure> {
        let mut call = self.scripts.put_org_rules.prepare_invoke();
        call.key(self.key("org:", org.as_bytes()))
            .arg(expected.map(|revision| revision.to_string()).unwrap_or_default())
            .arg(rules.to_string());
        Ok(answers::count(&self.link.run(&call).await?)? == 1)
    }

    pub(super) async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, Failure> {
        let mut left = at_most as usize;
        while left > 0 {
            let asked = left.min(AT_ONCE);
            let mut call = self.call(&self.scripts.purge);
            call.arg(self.checks_clock).arg(now.unix_millis()).arg(asked);
            let answer = self.link.run(&call).await?;
            if answer == Value::Nil {
                return Err(Failure::ClocksDiffer);
            }
            let mut numbers = answers::items(answer)?.map(|number| answers::count(&number));
            let (Some(purged), Some(seen)) = (numbers.next(), numbers.next()) else {
                return Err(Failure::Nonsense);
            };
            // Those that had expired by then are seen, but were not deleted by this call.
            left -= usize::try_from(purged?).unwrap_or(0).min(left);
            if usize::try_from(seen?).unwrap_or(0) < asked {
                break;
            }
        }
        Ok((at_most as usize - left) as u64)
    }

    /// Each of these scripts is told the prefix first.
    fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        script.arg(&*self.prefix)
    }

    pub(super) fn key(&self, kind: &str, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), name].concat()
    }

    /// Where the matching sessions are found, unless it is one alone.
    fn index(&self, which: &Selector) -> Option<Vec<u8>> {
        match (which.by_session(), which.by_user(), which.by_org()) {
            (None, Some(user), _) => Some(self.key("user:", user.as_bytes())),
            (None, None, Some(org)) => Some(self.key("members:", org.as_bytes())),
            _ => None,
        }
    }
}

fn swapped(answer: Value) -> Result<Swapped, Failure> {
    match answers::word(answer)?.as_str() {
        "done" => Ok(Swapped::Done),
        "stale" => Ok(Swapped::Stale),
        "gone" => Ok(Swapped::Gone),
        "missing" => Err(Failure::RulesMissing(RulesMissing)),
        _ => Err(Failure::Nonsense),
    }
}

/// How many milliseconds a key lives from `now` on; empty is for ever.
///
/// It is a length, never a date: so neither the server's clock nor one that a test has moved can cut
/// a living session short.
fn life(purge_after: Timestamp, now: Timestamp) -> String {
    let left = purge_after.since(now);
    if purge_after == Timestamp::NEVER || LONGEST < left {
        return String::new();
    }
    (left + MARGIN).whole_milliseconds().to_string()
}

/// How much longer a session is kept than it has to be, if nobody purges.
const MARGIN: time::Duration = time::Duration::days(7);

/// Longer than any limit. Beyond it keys do not expire.
const LONGEST: time::Duration = time::Duration::days(100_000);

/// So many sessions are some milliseconds of a server's time.
const AT_ONCE: usize = 250;
