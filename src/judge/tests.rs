//! One story per rule. Unless it says otherwise, a session begins at day 0 and is not used since.

use std::collections::BTreeMap;

use super::*;
use crate::policy::{ChangedRules, Filed, Incarnation, OrgPolicy, RulesChanged, RulesCopy};
use crate::session::EndReason::{Absolute, Idle, Revoked};
use crate::session::{Revision, SecretHash, SessionId};

const APP: Option<&str> = None;
const ACME: Option<&str> = Some("acme");
const GLOBEX: Option<&str> = Some("globex");

const MILLISECOND: Duration = Duration::MILLISECOND;
const SLIDING: Limits = Limits::idle(Duration::days(28));

// --- a session is alive, or it is over for a reason ----------------------------------------------

#[test]
fn r01_a_session_is_over_at_the_very_millisecond_of_its_limit() {
    let member = || Story::begins(day(0), SLIDING).joins("acme", day(0));
    let cases = [
        ("absolute", Story::begins(day(0), absolute_days(7)), day(7), Absolute, APP),
        ("idle", Story::begins(day(0), SLIDING), day(28), Idle, APP),
        ("its policy", member().policy("acme", day(1), days(7)), day(7), Absolute, ACME),
        ("its idle policy", member().policy("acme", day(0), minutes(90)), minute(90), Idle, ACME),
    ];
    for (label, story, end, reason, org) in cases {
        assert_eq!(story.first_end(end - MILLISECOND), ending(end, reason, org), "{label}");
        assert_eq!(story.judged(end), over(end, reason, org), "{label}");
        assert_eq!(story.judged(end + MILLISECOND), over(end, reason, org), "{label}, later");
    }
}

#[test]
fn r02_activity_moves_the_idle_end_and_never_the_absolute_one() {
    let story = Story::begins(day(0), absolute_days(7).and_idle(Duration::days(2)));
    for (seen, idle_end) in [(0, 2), (1, 3), (4, 6), (6, 8)] {
        let ends = story.clone().seen(day(seen)).live(day(seen)).schedule;
        assert_eq!(ends.absolute.unwrap().at, day(7), "seen on day {seen}");
        assert_eq!(ends.idle.unwrap().at, day(idle_end), "seen on day {seen}");
    }
}

#[test]
fn r03_a_deploy_shortens_living_sessions_and_lengthens_none() {
    let cases = [
        ("longer idle", SLIDING, Limits::idle(Duration::days(60)), day(28), Idle),
        ("shorter idle", SLIDING, Limits::idle(Duration::days(1)), day(1), Idle),
        ("no idle any more", SLIDING, Limits::unlimited(), day(28), Idle),
        ("idle for the first time", Limits::unlimited(), SLIDING, day(28), Idle),
        ("longer", absolute_days(7), absolute_days(30), day(7), Absolute),
        ("shorter", absolute_days(7), absolute_days(2), day(2), Absolute),
        ("none any more", absolute_days(7), Limits::unlimited(), day(7), Absolute),
        ("for the first time", Limits::unlimited(), absolute_days(7), day(7), Absolute),
    ];
    for (label, before, after, end, reason) in cases {
        let story = Story::begins(day(0), before).deploy(after);
        assert_eq!(story.first_end(day(0)), ending(end, reason, APP), "{label}");
        assert_eq!(story.judged(end), over(end, reason, APP), "{label}");
    }
}

#[test]
fn r04_the_earlier_end_gives_the_reason() {
    let both = |absolute, idle| absolute_days(absolute).and_idle(Duration::days(idle));
    let app = |absolute, idle| Story::begins(day(0), both(absolute, idle));
    let acme = |limits, policy| {
        Story::begins(day(0), limits).joins("acme", day(0)).policy("acme", day(0), policy)
    };
    let cases = [
        ("absolute", app(7, 28), day(7), Absolute, APP),
        ("idle", app(30, 2), day(2), Idle, APP),
        ("tie", app(7, 7), day(7), Absolute, APP),
        ("policy first", acme(both(30, 9), days(7)), day(7), Absolute, ACME),
        ("policy later", acme(both(5, 9), days(7)), day(5), Absolute, APP),
        ("policy ties with idle", acme(both(30, 7), days(7)), day(7), Absolute, ACME),
        ("policy, idle", acme(both(30, 9), minutes(600)), minute(600), Idle, ACME),
        ("policy as strict as the app", acme(both(7, 28), days(7)), day(7), Absolute, APP),
        (
            "two policies alike",
            acme(SLIDING, days(7)).joins("globex", day(0)).policy("globex", day(0), days(7)),
            day(7),
            Absolute,
            ACME,
        ),
    ];
    for (label, story, end, reason, org) in cases {
        assert_eq!(story.first_end(day(0)), ending(end, reason, org), "{label}");
        assert_eq!(story.judged(day(40)), over(end, reason, org), "{label}");
    }
}

#[test]
fn r04_a_version_that_began_after_the_end_is_ignored() {
    let story = Story::begins(day(0), Limits::idle(Duration::days(5))).joins("acme", day(0));
    let cases = [
        ("an hour earlier", minute(5 * 1440 - 60), over(minute(5 * 1440 - 60), Absolute, ACME)),
        ("later", day(5) + MILLISECOND, over(day(5), Idle, APP)),
        ("much later", day(6), over(day(5), Idle, APP)),
    ];
    for (label, begins, verdict) in cases {
        let story = story.clone().policy("acme", begins, days(1));
        assert_eq!(story.judged(day(9)), verdict, "{label}");
    }
}

#[test]
fn r04_of_two_that_are_over_when_their_policy_begins_the_earlier_gives_the_reason() {
    let both = OrgPolicy::absolute(Duration::days(7)).and_idle(Duration::days(2));
    let story = Story::begins(day(0), SLIDING).joins("acme", day(0));
    let cases = [("absolute", 6, Absolute), ("idle", 1, Idle)];
    for (label, seen, reason) in cases {
        let story = story.clone().seen(day(seen)).policy("acme", day(10), Some(both));
        assert_eq!(story.judged(day(11)), over(day(10), reason, ACME), "{label}");
    }
}

#[test]
fn r05_a_longer_or_disabled_policy_revives_nobody() {
    let member = || Story::begins(day(0), SLIDING).joins("acme", day(0));
    for (label, next) in [("longer", days(30)), ("disabled", None), ("shorter", days(1))] {
        let story = member().policy("acme", day(0), days(7)).policy("acme", day(8), next);
        assert_eq!(story.judged(day(9)), over(day(7), Absolute, ACME), "{label}");
    }
    for (label, next) in [("longer", minutes(600)), ("disabled", None), ("shorter", minutes(5))] {
        let story = member().policy("acme", day(0), minutes(60)).policy("acme", minute(61), next);
        assert_eq!(story.judged(minute(62)), over(minute(60), Idle, ACME), "{label}, idle");
    }
}

#[test]
fn r05_what_is_written_as_ended_stays_ended_and_keeps_its_reason() {
    for (reason, org) in [(Revoked, APP), (Revoked, ACME), (Absolute, ACME), (Idle, APP)] {
        let ended = Ended { at: day(3), reason, org: org.map(Into::into) };
        let story =
            Story::begins(day(0), absolute_days(2)).joins("globex", day(0)).revoke("globex");
        let story = story.ended(ended.clone());
        // Even before its end: the clock stepped back.
        for now in [day(0), day(3), day(9)] {
            assert_eq!(story.judged(now), Verdict::Over(ended.clone()), "{reason} on {now}");
        }
    }
}

#[test]
fn r05_a_record_past_its_purge_counts_as_deleted() {
    let living = Story::begins(day(0), SLIDING).purge_after(day(20));
    assert!(matches!(living.judged(day(20) - MILLISECOND), Verdict::Live(_)));
    assert_eq!(living.judged(day(20)), Verdict::Gone);

    let ended = living.ended(Ended::revoked(day(1)));
    assert_eq!(ended.judged(day(20) - MILLISECOND), over(day(1), Revoked, APP));
    assert_eq!(ended.judged(day(20)), Verdict::Gone);
}

/// A node whose clock is ahead wrote the policy.
#[test]
fn r05_no_session_ends_later_than_it_was_found_to_be_over() {
    let story = Story::begins(day(0), SLIDING).joins("acme", day(0));
    let story = story.policy("acme", minute(10), Some(OrgPolicy::absolute(Duration::minutes(1))));
    assert_eq!(story.judged(minute(5)), over(minute(5), Absolute, ACME));
}

#[test]
fn r05_when_the_clock_steps_back_no_deadline_moves() {
    let story = Story::begins(day(2), absolute_days(9).and_idle(Duration::days(3)))
        .joins("acme", day(2))
        .policy("acme", day(4), minutes(60))
        .seen(day(5));
    for now in [day(0), day(3), day(5)] {
        let live = story.live(now);
        assert_eq!(live.schedule.absolute.unwrap().at, day(11), "{now}");
        assert_eq!(live.schedule.idle.unwrap().at, day(5) + Duration::minutes(60), "{now}");
        assert_eq!(live.touch_at, day(5) + Duration::minutes(6), "{now}");
    }
}

#[test]
fn r06_without_any_limit_a_session_never_ends() {
    let story = Story::begins(day(0), Limits::unlimited());
    let live = story.live(day(36_500));
    assert_eq!(live.schedule, Schedule::default());
    assert_eq!(live.touch_every, Duration::HOUR);
}

// --- how exactly activity is known ---------------------------------------------------------------

#[test]
fn r07_activity_is_recorded_ten_times_per_strictest_idle_limit_but_at_least_hourly() {
    let app = |idle| Story::begins(day(0), Limits::idle(idle));
    let org = |story: Story, name, policy| story.policy(name, day(0), policy).joins(name, day(0));
    let sliding = || Story::begins(day(0), SLIDING);
    let seconds = Duration::seconds;
    let cases = [
        ("28 days", sliding(), seconds(3600)),
        ("10 hours", app(Duration::hours(10)), seconds(3600)),
        ("9 hours", app(Duration::hours(9)), seconds(3240)),
        ("15 minutes", app(Duration::minutes(15)), seconds(90)),
        ("5 ms", app(Duration::milliseconds(5)), MILLISECOND),
        ("no limit", Story::begins(day(0), Limits::unlimited()), seconds(3600)),
        ("an absolute limit", Story::begins(day(0), absolute_days(1)), seconds(3600)),
        ("its own", app(Duration::minutes(10)).deploy(SLIDING), seconds(60)),
        ("an organization", org(sliding(), "acme", minutes(20)), seconds(120)),
        (
            "two of them",
            org(org(sliding(), "acme", minutes(30)), "globex", minutes(20)),
            seconds(120),
        ),
        (
            "an organization that is laxer",
            org(app(Duration::minutes(15)), "acme", minutes(60)),
            seconds(90),
        ),
    ];
    for (label, story, touch_every) in cases {
        let live = story.live(day(0));
        assert_eq!(live.touch_every, touch_every, "{label}");
        assert_eq!(live.touch_at, day(0) + touch_every, "{label}");
    }
}

#[test]
fn r07_a_policy_or_membership_newer_than_the_last_activity_is_touched_at_once() {
    let story = || Story::begins(day(0), SLIDING).joins("acme", day(0)).seen(minute(50));
    let at_once = minute(50) + MILLISECOND;
    let cases = [
        ("nothing new", story(), minute(110)),
        ("a newer policy", story().policy("acme", minute(51), days(7)), at_once),
        ("a policy that was disabled", story().policy("acme", minute(51), None), at_once),
        ("a newer membership", story().joins("globex", minute(51)), at_once),
        ("a policy of the same moment", story().policy("acme", minute(50), days(7)), minute(110)),
        ("an older policy", story().policy("acme", minute(49), days(7)), minute(110)),
        ("an older membership", story().joins("globex", minute(50)), minute(110)),
    ];
    for (label, story, touch_at) in cases {
        assert_eq!(story.live(minute(55)).touch_at, touch_at, "{label}");
    }
}

/// A failover has lost the rules that its stamp is of, or this copy is older than they are.
#[test]
fn r07_a_session_whose_stamp_is_above_the_rules_is_told_and_touched_at_once() {
    for stamp in [
        Stamp { generation: 1, ..Stamp::default() },
        Stamp { version: 1, ..Stamp::default() },
        Stamp { known: 1, ..Stamp::default() },
    ] {
        let org = Membership { org: "acme".into(), stamp, joined: day(0) };
        let other = Membership { org: "globex".into(), stamp: Stamp::default(), joined: day(0) };
        let member = Story::begins(day(0), SLIDING);
        let record = member.record().with_memberships(vec![org, other]);
        let verdict = member.told(|_, rules, app| judge(&record, rules, app, minute(1)).unwrap());
        let Verdict::Live(live) = verdict else { panic!("{stamp:?}: {verdict:?}") };
        assert!(live.above_rules, "{stamp:?}");
        assert_eq!(live.touch_at, day(0) + MILLISECOND, "{stamp:?}");
    }
    assert!(!Story::begins(day(0), SLIDING).joins("acme", day(0)).live(minute(1)).above_rules);
}

#[test]
fn r08_a_new_idle_limit_counts_from_the_next_refresh_or_its_own_begin() {
    let seen_at_0 = || Story::begins(day(0), SLIDING).joins("acme", day(0));
    let cases = [
        ("at work, 30 minutes later", 30, 45),
        ("at work, 50 minutes later", 50, 65),
        ("at work, just before the touch", 60, 75),
        ("away for a while", 70, 75),
    ];
    for (label, begins, end) in cases {
        let end = ending(minute(end), Idle, ACME);
        let enabled = seen_at_0().policy("acme", minute(begins), minutes(15));
        assert_eq!(enabled.first_end(minute(begins)), end, "{label}");
        let joined = Story::begins(day(0), SLIDING)
            .policy("acme", day(0), minutes(15))
            .joins("acme", minute(begins));
        assert_eq!(joined.first_end(minute(begins)), end, "{label}, by joining");
    }
    let away = seen_at_0().policy("acme", minute(120), minutes(15));
    assert_eq!(away.judged(minute(120)), over(minute(120), Idle, ACME), "away for 2 hours");
}

/// A node whose clock is ahead wrote the version; another node knew it when it recorded the activity.
#[test]
fn r08_what_was_known_when_activity_was_recorded_is_a_matter_of_numbers_not_of_clocks() {
    let story = Story::begins(day(0), SLIDING).joins("acme", day(0)).seen(minute(10));
    let story = story.policy("acme", minute(50), minutes(15));
    let restamped = |org: &str, stamp| {
        Ok::<_, Unreadable>(story.rules.get(org).map_or(stamp, |rules| rules.restamp(stamp)))
    };
    let record = story.record().with_stamps(restamped).unwrap();
    let verdict = story.told(|_, rules, app| judge(&record, rules, app, minute(12)).unwrap());
    let Verdict::Live(live) = verdict else { panic!("{verdict:?}") };
    assert_eq!(live.schedule.idle.unwrap().at, minute(25));
}

/// Hourly touches, always active: the touch that the change requires ends the uncertainty.
#[test]
fn r08_whoever_was_at_work_when_it_began_stays_and_is_known_exactly_from_then_on() {
    let story = Story::begins(day(0), SLIDING).joins("acme", day(0)).policy(
        "acme",
        minute(50),
        minutes(15),
    );
    // Last active at minute 49, which was not recorded; active again at minute 58.
    assert_eq!(story.live(minute(58)).touch_at, day(0) + MILLISECOND);
    let touched = story.seen(minute(58));
    assert_eq!(touched.first_end(minute(58)), ending(minute(73), Idle, ACME));
    assert_eq!(touched.judged(minute(73)), over(minute(73), Idle, ACME));
}

#[test]
fn r08_a_limit_that_bound_already_counts_from_the_last_activity() {
    let bound = || Story::begins(day(0), SLIDING).policy("acme", day(0), minutes(15));
    let member = || bound().joins("acme", day(0));
    let again = |begins| member().policy("acme", begins, minutes(15));
    let cases = [
        ("the same once more", again(minute(10)), minute(15), ACME),
        ("longer later", member().policy("acme", minute(10), minutes(60)), minute(15), ACME),
        ("disabled later", member().policy("acme", minute(10), None), minute(15), ACME),
        ("one more organization", member().joins("globex", minute(10)), minute(15), ACME),
        ("shorter later", member().policy("acme", minute(5), minutes(8)), minute(13), ACME),
        ("seen since", again(minute(10)).seen(minute(12)), minute(27), ACME),
        (
            "a deploy: no allowance",
            Story::begins(day(0), SLIDING).deploy(Limits::idle(Duration::minutes(15))),
            minute(15),
            APP,
        ),
    ];
    for (label, story, end, org) in cases {
        assert_eq!(story.first_end(minute(12)), ending(end, Idle, org), "{label}");
        assert_eq!(story.judged(end), over(end, Idle, org), "{label}");
    }
}

// --- organizations -------------------------------------------------------------------------------

#[test]
fn r14_enabled_or_shortened_counts_from_the_sign_in() {
    // On day 10 it becomes 7 days.
    let cases = [
        (1, over(day(10), Absolute, ACME)),
        (3, over(day(10), Absolute, ACME)),
        (4, live_until(day(11))),
        (9, live_until(day(16))),
    ];
    for (began, expected) in cases {
        let story = Story::begins(day(began), SLIDING);
        let enabled = story.clone().joins("acme", day(began)).policy("acme", day(10), days(7));
        let shortened = story.policy("acme", day(0), days(30)).joins("acme", day(began)).policy(
            "acme",
            day(10),
            days(7),
        );
        for story in [enabled, shortened] {
            assert_eq!(story.judged_briefly(day(10)), expected.clone(), "began on day {began}");
        }
    }
}

#[test]
fn r15_lengthened_is_for_new_sessions() {
    // From 7 to 30 days on day 3.
    for (began, end) in [(0, 7), (2, 9), (3, 33), (4, 34)] {
        let story = if began < 3 {
            Story::begins(day(began), absolute_days(90))
                .policy("acme", day(0), days(7))
                .joins("acme", day(began))
                .policy("acme", day(3), days(30))
        } else {
            Story::begins(day(began), absolute_days(90))
                .policy("acme", day(0), days(7))
                .policy("acme", day(3), days(30))
                .joins("acme", day(began))
        };
        let story = story.seen(day(5));
        assert_eq!(story.first_end(day(5)), ending(day(end), Absolute, ACME), "day {began}");
    }
}

#[test]
fn r16_disabled_keeps_the_scheduled_end_of_living_sessions() {
    let acme = Story::begins(day(0), SLIDING).policy("acme", day(0), days(7));
    let old = acme.clone().joins("acme", day(0)).policy("acme", day(3), None).seen(day(6));
    assert_eq!(old.first_end(day(6)), ending(day(7), Absolute, ACME));
    let new = acme.policy("acme", day(3), None).joins("acme", day(3)).seen(day(6));
    assert_eq!(new.first_end(day(6)), ending(day(34), Idle, APP));
}

#[test]
fn r16_disabled_and_enabled_again_the_smaller_of_both_bounds_who_lived_through_both() {
    // 7 days, disabled on day 3, and on day 4 another length.
    let cases = [
        ("from the beginning, now 30", 0, 30, live_until(day(7))),
        ("from the beginning, now 3", 0, 3, over(day(4), Absolute, ACME)),
        ("from day 2, now 3", 2, 3, live_until(day(5))),
        ("from day 2, now 6", 2, 6, live_until(day(8))),
        ("from the time between, now 3", 3, 3, live_until(day(6))),
        ("from the time between, now 9", 3, 9, live_until(day(12))),
    ];
    for (label, began, length, expected) in cases {
        let story = Story::begins(day(began), SLIDING).policy("acme", day(0), days(7));
        let story = match began {
            3 => story.policy("acme", day(3), None).joins("acme", day(3)),
            _ => story.joins("acme", day(began)).policy("acme", day(3), None),
        };
        let story = story.policy("acme", day(4), days(length));
        assert_eq!(story.judged_briefly(day(4)), expected, "{label}");
    }
}

#[test]
fn r17_of_several_organizations_the_shortest_wins_for_each_kind() {
    let policy = |days, hours| {
        Some(OrgPolicy::absolute(Duration::days(days)).and_idle(Duration::hours(hours)))
    };
    let cases = [
        ("one each", SLIDING, policy(7, 8), policy(3, 12), (3, GLOBEX), (8, ACME)),
        ("one has both", SLIDING, policy(2, 5), policy(3, 12), (2, ACME), (5, ACME)),
        (
            "the app is stricter",
            absolute_days(1).and_idle(Duration::hours(1)),
            policy(7, 8),
            policy(3, 12),
            (1, APP),
            (1, APP),
        ),
        (
            "all the same",
            absolute_days(1).and_idle(Duration::hours(1)),
            policy(1, 1),
            policy(1, 1),
            (1, APP),
            (1, APP),
        ),
        ("both the same", SLIDING, policy(1, 1), policy(1, 1), (1, ACME), (1, ACME)),
    ];
    for (label, base, acme, globex, (days, absolute_by), (hours, idle_by)) in cases {
        let ends = Story::begins(day(0), base)
            .policy("acme", day(0), acme)
            .policy("globex", day(0), globex)
            .joins("acme", day(0))
            .joins("globex", day(0))
            .live(day(0))
            .schedule;
        let (absolute, idle) = (ends.absolute.unwrap(), ends.idle.unwrap());
        assert_eq!(named(&absolute), ending(day(days), Absolute, absolute_by), "{label}");
        assert_eq!(named(&idle), ending(minute(60 * hours), Idle, idle_by), "{label}");
    }
}

#[test]
fn r18_joined_later_counts_from_the_sign_in_and_only_from_the_version_in_force() {
    let acme = || Story::begins(day(0), SLIDING).policy("acme", day(1), days(7)).seen(day(6));
    let relaxed = || acme().policy("acme", day(2), days(9));
    let cases = [
        ("in time", acme().joins("acme", day(6)), live_until(day(7))),
        ("too late", acme().seen(day(8)).joins("acme", day(8)), over(day(8), Absolute, ACME)),
        ("after it was relaxed", relaxed().joins("acme", day(6)), live_until(day(9))),
        (
            "after it was disabled",
            acme().policy("acme", day(2), None).joins("acme", day(6)),
            live_until(day(34)),
        ),
    ];
    for (label, story, expected) in cases {
        let now = if label == "too late" { day(8) } else { day(6) };
        assert_eq!(story.judged_briefly(now), expected, "{label}");
    }
}

/// A node whose clock is ahead wrote the version; the store stamped its number.
#[test]
fn r18_what_was_in_force_at_joining_is_a_matter_of_numbers_not_of_clocks() {
    let story = Story::begins(day(0), SLIDING)
        .policy("acme", minute(10), minutes(15))
        .joins("acme", day(0));
    let live = story.live(minute(1));
    assert_eq!(named(&live.schedule.idle.unwrap()), ending(minute(15), Idle, ACME));
    assert_eq!(live.touch_at, day(0) + Duration::seconds(90), "it is no change");

    let before_joining = Story::begins(day(0), SLIDING).joins("acme", minute(20)).policy(
        "acme",
        minute(10),
        minutes(15),
    );
    assert_eq!(before_joining.first_end(minute(20)), ending(minute(35), Idle, ACME));

    let replaced = Story::begins(day(0), SLIDING)
        .policy("acme", minute(10), days(1))
        .policy("acme", minute(11), days(7))
        .joins("acme", day(0));
    assert_eq!(replaced.first_end(day(0)), ending(day(7), Absolute, ACME));
}

#[test]
fn r18_leaving_keeps_the_scheduled_end_with_the_name_of_the_organization() {
    let org = |story: Story, name, policy| story.policy(name, day(0), policy).joins(name, day(0));
    let both = |story| org(org(story, "acme", days(7)), "globex", days(5));
    let sliding = || Story::begins(day(0), SLIDING);
    let cases = [
        ("one", org(sliding(), "acme", days(7)), vec!["acme"], Some((day(7), ACME))),
        ("the shorter one", both(sliding()), vec!["globex"], Some((day(5), GLOBEX))),
        ("the longer one", both(sliding()), vec!["acme"], Some((day(7), ACME))),
        ("both", both(sliding()), vec!["acme", "globex"], Some((day(5), GLOBEX))),
        ("none", both(sliding()), vec![], None),
        ("one without a policy", sliding().joins("acme", day(0)), vec!["acme"], None),
        ("one with an idle limit", org(sliding(), "acme", minutes(15)), vec!["acme"], None),
        (
            "one whose policy was disabled since",
            org(sliding(), "acme", days(7)).policy("acme", day(1), None),
            vec!["acme"],
            Some((day(7), ACME)),
        ),
        (
            "when the app is stricter",
            org(Story::begins(day(0), absolute_days(3)), "acme", days(7)),
            vec!["acme"],
            Some((day(3), APP)),
        ),
        (
            "when the app is as strict",
            org(Story::begins(day(0), absolute_days(7)), "acme", days(7)),
            vec!["acme"],
            Some((day(7), APP)),
        ),
        (
            "when the app has become stricter",
            sliding().joins("acme", day(0)).deploy(absolute_days(3)),
            vec!["acme"],
            None,
        ),
        (
            "when a policy for everyone is stricter",
            org(sliding().policy(OrgRules::EVERYONE, day(0), days(3)), "acme", days(7)),
            vec!["acme"],
            Some((day(7), ACME)),
        ),
    ];
    for (label, story, left, expected) in cases {
        let fixed_deadline = story.deadline_after_leaving(&left);
        let expected = expected.map(|(at, org)| FixedDeadline { at, org: org.map(Into::into) });
        assert_eq!(fixed_deadline, expected, "{label}");
    }
}

#[test]
fn r18_who_has_left_keeps_the_absolute_end_and_is_rid_of_the_idle_limit() {
    let policy = OrgPolicy::absolute(Duration::days(7)).and_idle(Duration::minutes(15));
    let story =
        Story::begins(day(0), SLIDING).policy("acme", day(0), Some(policy)).joins("acme", day(0));
    let left = story.seen(minute(5)).leaves(&["acme"]);
    let live = left.live(minute(10));
    assert_eq!(named(&live.schedule.absolute.unwrap()), ending(day(7), Absolute, ACME));
    assert_eq!(
        named(&live.schedule.idle.unwrap()),
        ending(day(28) + Duration::minutes(5), Idle, APP)
    );
    assert_eq!(live.touch_every, Duration::HOUR);
}

#[test]
fn r19_a_revocation_ends_every_session_of_the_organization_and_none_that_begins_after_it() {
    let before = Story::begins(day(0), SLIDING)
        .joins("acme", day(0))
        .joins("globex", day(0))
        .revoke("globex");
    assert_eq!(before.judged(day(1)), over(day(1), Revoked, GLOBEX));

    // In the same millisecond: clocks play no part.
    let after = Story::begins(day(0), SLIDING).revoke("acme").joins("acme", day(0));
    assert_eq!(after.first_end(day(0)), ending(day(28), Idle, APP));

    let elsewhere = Story::begins(day(0), SLIDING).joins("acme", day(0)).revoke("globex");
    assert_eq!(elsewhere.first_end(day(0)), ending(day(28), Idle, APP));
}

#[test]
fn r19_of_several_revocations_that_of_everyone_is_named_first_and_then_by_name() {
    let member = Story::begins(day(0), SLIDING).joins("acme", day(0)).joins("globex", day(0));
    let both = member.revoke("globex").revoke("acme");
    assert_eq!(both.judged(day(1)), over(day(1), Revoked, ACME));
    let everyone = both.revoke(OrgRules::EVERYONE);
    assert_eq!(everyone.judged(day(1)), over(day(1), Revoked, APP));
}

#[test]
fn r24_an_end_tells_since_when_it_binds() {
    let app = || Story::begins(day(1), absolute_days(90));
    let member = || app().joins("acme", day(1));
    let cases = [
        ("the app", app(), day(1)),
        (
            "a policy from the beginning",
            app().policy("acme", day(0), days(7)).joins("acme", day(1)),
            day(1),
        ),
        ("a policy since", member().policy("acme", day(3), days(7)), day(3)),
        (
            "an organization joined since",
            app().policy("acme", day(0), days(7)).joins("acme", day(4)),
            day(4),
        ),
        (
            "one that it has left",
            member().policy("acme", day(3), days(7)).leaves(&["acme"]),
            day(1),
        ),
    ];
    for (label, story, since) in cases {
        assert_eq!(story.live(day(5)).schedule.first().unwrap().since, since, "{label}");
    }
}

// --- deletion ------------------------------------------------------------------------------------

#[test]
fn r05_a_record_is_kept_for_a_week_after_its_latest_possible_end() {
    let both = |absolute, idle| absolute_days(absolute).and_idle(Duration::days(idle));
    let acme = |limits, policy| {
        Story::begins(day(0), limits).policy("acme", day(0), policy).joins("acme", day(0))
    };
    let cases = [
        ("idle", Story::begins(day(0), SLIDING), 0, day(35)),
        ("idle, seen", Story::begins(day(0), SLIDING), 2, day(37)),
        ("absolute", Story::begins(day(0), absolute_days(7)), 2, day(14)),
        ("absolute first", Story::begins(day(0), both(7, 28)), 2, day(14)),
        ("idle first", Story::begins(day(0), both(30, 2)), 3, day(12)),
        ("unlimited", Story::begins(day(0), Limits::unlimited()), 3, Timestamp::NEVER),
        ("a policy", acme(SLIDING, days(7)), 2, day(14)),
        ("a policy over no limit", acme(Limits::unlimited(), days(7)), 2, day(14)),
        ("an idle policy, which one may leave", acme(SLIDING, minutes(15)), 2, day(37)),
        ("one who has left", acme(SLIDING, days(7)).leaves(&["acme"]), 2, day(14)),
        ("a longer deploy", Story::begins(day(0), SLIDING).deploy(both(90, 60)), 2, day(37)),
        ("a shorter deploy", Story::begins(day(0), SLIDING).deploy(both(9, 5)), 2, day(14)),
    ];
    for (label, story, seen, expected) in cases {
        assert_eq!(story.purge_after_activity(day(seen)), expected, "{label}");
    }
}

// --- traps ---------------------------------------------------------------------------------------

/// A mark "revoked before" that an older one overwrites would keep the session in the middle alive.
#[test]
fn trap_14_two_revocations_end_everything_before_the_second() {
    let first = Story::begins(day(0), SLIDING).joins("acme", day(0)).revoke("acme").revoke("acme");
    assert_eq!(first.judged(day(1)), over(day(1), Revoked, ACME));
    let middle = Story::begins(day(0), SLIDING).revoke("acme").joins("acme", day(0)).revoke("acme");
    assert_eq!(middle.judged(day(1)), over(day(1), Revoked, ACME));
    let last = Story::begins(day(0), SLIDING).revoke("acme").revoke("acme").joins("acme", day(0));
    assert_eq!(last.first_end(day(1)), ending(day(28), Idle, APP));
}

/// The touch was decided under the previous rules, and written after the change.
#[test]
fn trap_15_a_touch_under_the_old_policy_undoes_nothing() {
    let old = Story::begins(day(0), SLIDING).policy("acme", day(0), days(30)).joins("acme", day(0));
    let purge = old.purge_after_activity(day(3));
    assert_eq!(purge, day(37));
    let story = old.policy("acme", day(3), days(7)).seen(day(3)).purge_after(purge);
    assert_eq!(story.first_end(day(6)), ending(day(7), Absolute, ACME));
    assert_eq!(story.judged(day(7)), over(day(7), Absolute, ACME));
}

#[test]
fn trap_16_30_days_shortened_to_7_are_not_extended_by_activity() {
    let story = Story::begins(day(0), SLIDING)
        .policy("acme", day(0), days(30))
        .joins("acme", day(0))
        .policy("acme", day(5), days(7));
    for seen in [5, 6, 29] {
        let seen = story.clone().seen(day(seen));
        assert_eq!(seen.judged(day(29)), over(day(7), Absolute, ACME));
    }
}

#[test]
fn trap_33_who_is_over_does_not_live_again_by_leaving_or_rejoining() {
    let acme = Story::begins(day(0), SLIDING).policy("acme", day(0), days(7)).joins("acme", day(0));
    let left = acme.seen(day(6)).leaves(&["acme"]);
    assert_eq!(left.judged(day(8)), over(day(7), Absolute, ACME));
    let back = left.policy("acme", day(8), None).joins("acme", day(8));
    assert_eq!(back.judged(day(8)), over(day(7), Absolute, ACME));
}

#[test]
fn trap_35_while_a_relaxed_limit_still_binds_activity_is_recorded_as_often_as_before() {
    let story = Story::begins(day(0), SLIDING)
        .policy("acme", day(0), minutes(15))
        .joins("acme", day(0))
        .seen(minute(9))
        .policy("acme", minute(10), minutes(600));
    let live = story.live(minute(12));
    assert_eq!(live.schedule.idle.unwrap().at, minute(24));
    assert_eq!(live.touch_every, Duration::seconds(90));
    assert_eq!(live.touch_at, minute(9) + MILLISECOND, "the change is touched at once");

    let touched = story.seen(minute(12));
    assert_eq!(touched.first_end(minute(12)), ending(minute(612), Idle, ACME));
    assert_eq!(touched.live(minute(12)).touch_every, Duration::HOUR);
}

#[test]
fn trap_35_activity_at_the_moment_of_the_change_is_free_of_the_old_limit() {
    let story = Story::begins(day(0), SLIDING)
        .policy("acme", day(0), minutes(15))
        .joins("acme", day(0))
        .policy("acme", minute(10), None);
    let before = story.clone().seen(minute(10) - MILLISECOND).first_end(minute(10));
    assert_eq!(before, ending(minute(25) - MILLISECOND, Idle, ACME));
    let then = story.seen(minute(10)).first_end(minute(10));
    assert_eq!(then, ending(day(28) + Duration::minutes(10), Idle, APP));
}

#[test]
fn trap_38_two_policies_of_one_millisecond_both_bind() {
    let story = Story::begins(day(0), SLIDING)
        .joins("acme", day(0))
        .policy("acme", day(1), days(3))
        .policy("acme", day(1), days(30));
    assert_eq!(story.first_end(day(2)), ending(day(3), Absolute, ACME));

    let idle = Story::begins(day(0), SLIDING)
        .joins("acme", day(0))
        .policy("acme", minute(50), minutes(15))
        .policy("acme", minute(50), None);
    assert_eq!(idle.first_end(minute(51)), ending(minute(65), Idle, ACME));
}

// --- how stories are told ------------------------------------------------------------------------

/// A session, the organizations around it, and its history, told in order.
#[derive(Clone)]
struct Story {
    record: Record,
    /// The rules of everyone, and of organizations.
    rules: BTreeMap<Arc<str>, OrgRules>,
    purge_after: Timestamp,
    app: AppLimits,
}

impl Story {
    /// A user signs in. The record is never deleted, so that it can tell how the session ended.
    fn begins(at: Timestamp, limits: Limits) -> Self {
        let (id, hash) = (SessionId::from_bytes([1; 16]), SecretHash::from_bytes([2; 32]));
        Self {
            record: Record::begin(id, hash, "ada", at, 0).with_limits(limits),
            rules: BTreeMap::new(),
            purge_after: Timestamp::NEVER,
            app: AppLimits { browsers: limits, tokens: limits, refresh: Duration::HOUR },
        }
    }

    fn seen(mut self, seen: Timestamp) -> Self {
        self.record = self.record.with_activity(seen);
        self
    }

    fn deploy(mut self, limits: Limits) -> Self {
        (self.app.browsers, self.app.tokens) = (limits, limits);
        self
    }

    fn policy(self, org: &str, at: Timestamp, policy: Option<OrgPolicy>) -> Self {
        self.change(org, |rules| rules.with_policy(policy, Duration::MAX, at, 0).unwrap())
    }

    fn revoke(self, org: &str) -> Self {
        self.change(org, |rules| rules.with_revocation(day(0), 0))
    }

    fn joins(mut self, org: &str, joined: Timestamp) -> Self {
        let stamp = self.rules.get(org).map(OrgRules::stamp).unwrap_or_default();
        let joining = Membership { org: org.into(), stamp, joined };
        let memberships = [self.record.memberships(), &[joining]].concat();
        self.record = self.record.with_memberships(memberships);
        self
    }

    fn leaves(mut self, orgs: &[&str]) -> Self {
        let fixed_deadline = self.deadline_after_leaving(orgs);
        let mut memberships = self.record.memberships().to_vec();
        memberships.retain(|membership| !orgs.contains(&&*membership.org));
        self.record = self.record.with_fixed_deadline(fixed_deadline).with_memberships(memberships);
        self
    }

    fn ended(mut self, ended: Ended) -> Self {
        self.record = self.record.with_end(ended);
        self
    }

    fn purge_after(mut self, at: Timestamp) -> Self {
        self.purge_after = at;
        self
    }

    fn change(mut self, org: &str, change: impl Fn(&OrgRules) -> OrgRules) -> Self {
        let rules = self.rules.entry(org.into()).or_insert(OrgRules::none());
        *rules = change(rules);
        self
    }

    /// The record with all clocks in agreement: the last activity was recorded by a node that knew
    /// the policies in force at that time.
    fn record(&self) -> Record {
        let seen = self.record.last_seen();
        let known = |org: &str, joined: Timestamp, stamp: Stamp| {
            let versions =
                self.rules.get(org).into_iter().flat_map(|r| r.binding(Stamp::default()));
            let in_force = versions.filter(|(version, _)| version.begins <= seen).last();
            let known =
                in_force.filter(|_| joined <= seen).map_or(0, |(version, _)| version.number);
            Stamp { known, ..stamp }
        };
        let joined = |org: &str| match self.record.membership(org) {
            Some(membership) => membership.joined,
            None => self.record.created(),
        };
        self.record
            .clone()
            .with_stamps(|org, stamp| Ok::<_, Unreadable>(known(org, joined(org), stamp)))
            .unwrap()
            .with_purge_after(self.purge_after)
    }

    fn told<T>(&self, tell: impl FnOnce(&Record, Rules<'_>, &AppLimits) -> T) -> T {
        let changes = self.rules.iter();
        let changes =
            changes.map(|(org, r)| ChangedRules { org: org.clone(), rules: Ok(r.clone()) });
        let (changes, reaches) = (changes.collect(), Revision::from_u64(1));
        let mut copy = RulesCopy::default();
        let answer = RulesChanged { changes, reaches, incarnation: Incarnation::of("story") };
        assert_eq!(copy.file(Revision::NONE, answer), Filed::Done);
        tell(&self.record(), copy.rules(), &self.app)
    }

    fn judged(&self, now: Timestamp) -> Verdict {
        self.told(|record, rules, app| judge(record, rules, app, now).unwrap())
    }

    fn purge_after_activity(&self, seen: Timestamp) -> Timestamp {
        self.told(|record, rules, app| purge_after(record, rules, app, seen).unwrap())
    }

    #[track_caller]
    fn live(&self, now: Timestamp) -> LiveState {
        match self.judged(now) {
            Verdict::Live(live) => live,
            verdict => panic!("on {now} it should live: {verdict:?}"),
        }
    }

    #[track_caller]
    fn first_end(&self, now: Timestamp) -> Ending {
        named(self.live(now).schedule.first().expect("a limit"))
    }

    /// The verdict; of a living session only the time of its end.
    fn judged_briefly(&self, now: Timestamp) -> Verdict {
        match self.judged(now) {
            Verdict::Live(live) => live_until(live.schedule.first().expect("a limit").at),
            verdict => verdict,
        }
    }

    fn deadline_after_leaving(&self, left: &[&str]) -> Option<FixedDeadline> {
        let stays = |org: &Arc<str>| !left.contains(&&**org);
        self.told(|record, rules, app| deadline_after_leaving(record, rules, app, stays).unwrap())
    }
}

/// The time, the limit, and the organization of an end.
type Ending = (Timestamp, EndReason, Option<String>);

fn ending(at: Timestamp, reason: EndReason, org: Option<&str>) -> Ending {
    (at, reason, org.map(Into::into))
}

fn named(end: &Deadline) -> Ending {
    ending(end.at, end.limit.into(), end.org.as_deref())
}

fn over(at: Timestamp, reason: EndReason, org: Option<&str>) -> Verdict {
    Verdict::Over(Ended { at, reason, org: org.map(Into::into) })
}

/// Stands for every living session that ends at this time, in tables together with ended ones.
fn live_until(at: Timestamp) -> Verdict {
    let end = Deadline { at, limit: Limit::Absolute, org: None, since: day(0) };
    Verdict::Live(LiveState {
        schedule: Schedule { absolute: Some(end), idle: None },
        touch_at: day(0),
        touch_every: Duration::HOUR,
        above_rules: false,
    })
}

fn day(day: i64) -> Timestamp {
    Timestamp::from_unix_millis(0) + Duration::days(day)
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_unix_millis(0) + Duration::minutes(minute)
}

fn absolute_days(days: i64) -> Limits {
    Limits::absolute(Duration::days(days))
}

/// An absolute limit of this many days.
fn days(days: i64) -> Option<OrgPolicy> {
    Some(OrgPolicy::absolute(Duration::days(days)))
}

/// An idle limit of this many minutes.
fn minutes(minutes: i64) -> Option<OrgPolicy> {
    Some(OrgPolicy::idle(Duration::minutes(minutes)))
}
