use time::Duration;

use super::{
    end, load, minute, only_winner, race, random_hash, record_of, started, started_in, unique,
};
use crate::session::{Client, Record};
use crate::store::{Facts, Rotate, Store, Swapped, Touch, Touched};
use crate::time::Timestamp;
use crate::token::random_id;

/// Activity moves `seen`, and with it the client and `purge_after`, and nothing else.
pub async fn touch_records_activity_and_client(store: &impl Store) {
    let session = started_in(store, &unique("org")).await;
    let touch = touch(&session, minute(5));
    assert_eq!(store.touch(touch.clone()).await.unwrap(), Touched::Moved);
    let expected = Record {
        seen: minute(5),
        client: touch.client,
        purge_after: touch.purge_after,
        ..Record::clone(session.record())
    };
    assert_eq!(record_of(store, expected.id).await, expected);

    // What is known of the client may also become less.
    let none = Touch {
        seen: minute(6),
        last_seen: minute(5),
        client: Client::default(),
        purge_after: Timestamp::NEVER,
        ..self::touch(&session, minute(6))
    };
    assert_eq!(store.touch(none).await.unwrap(), Touched::Moved);
    let found = record_of(store, expected.id).await;
    assert_eq!((found.client, found.purge_after), (Client::default(), Timestamp::NEVER));
}

/// Activity of the same time as the recorded one, or of an earlier one, leaves everything as it is,
/// even if the caller knew what is recorded. (R5)
pub async fn touch_never_moves_back(store: &impl Store) {
    let session = started(store).await;
    let before = session.record();
    for seen in [minute(0), minute(-1)] {
        for last_seen in [minute(0), minute(1)] {
            let touch = Touch { last_seen, ..touch(&session, seen) };
            assert_eq!(store.touch(touch).await.unwrap(), Touched::Kept);
            assert_eq!(record_of(store, before.id).await, **before, "it moved back to {seen}");
        }
    }
}

/// Who looked before somebody else recorded activity changes nothing, even with a later one. (R7)
pub async fn touch_keeps_what_somebody_else_recorded_since(store: &impl Store) {
    let session = started(store).await;
    assert_eq!(store.touch(touch(&session, minute(5))).await.unwrap(), Touched::Moved);
    let before = record_of(store, session.record().id).await;
    assert_eq!(store.touch(touch(&session, minute(6))).await.unwrap(), Touched::Kept);
    assert_eq!(record_of(store, before.id).await, before);
    let informed = Touch { last_seen: minute(5), ..touch(&session, minute(6)) };
    assert_eq!(store.touch(informed).await.unwrap(), Touched::Moved, "who looked again may");
}

/// Among requests that loaded the same record one records its activity. (R7, R10)
pub async fn touch_lets_one_of_several_racers_win(store: &impl Store) {
    let session = started(store).await;
    // The later ones are asked first, or all of them would lose to the first in line anyhow.
    let racers = (1..9).rev().map(|i| store.touch(touch(&session, minute(i))));
    let answers: Vec<_> = race(racers).await.into_iter().map(Result::unwrap).collect();
    only_winner(&answers, &Touched::Moved);

    let again = load(store, session.record().id).await;
    let same = (0..8).map(|_| store.touch(touch(&again, minute(20))));
    let answers: Vec<_> = race(same).await.into_iter().map(Result::unwrap).collect();
    only_winner(&answers, &Touched::Moved);
}

/// A session that has ended stays as it is, whatever a slower request still wants to write. (R5)
pub async fn touch_never_resurrects(store: &impl Store) {
    let session = started(store).await;
    end(store, session.record().id).await;
    let before = record_of(store, session.record().id).await;
    assert_eq!(store.touch(touch(&session, minute(5))).await.unwrap(), Touched::Gone);
    assert_eq!(store.touch(touch(&session, minute(-5))).await.unwrap(), Touched::Gone);
    assert_eq!(record_of(store, before.id).await, before, "what has ended never changes");
}

/// Activity of a session that does not exist creates none. (R5)
pub async fn touch_of_an_unknown_session_is_gone(store: &impl Store) {
    let id = random_id();
    let touch = Touch { id, ..touch(&started(store).await, minute(5)) };
    assert_eq!(store.touch(touch).await.unwrap(), Touched::Gone);
    assert!(store.load(id).await.unwrap().is_none(), "touch must not write it");
}

/// Whoever comes with an older secret records nothing, so no answer brings it back to a browser that
/// has the newer one by then. (R11)
pub async fn touch_under_an_older_secret_is_gone(store: &impl Store) {
    let session = started(store).await;
    assert_eq!(store.rotate(rotate(&session)).await.unwrap(), Swapped::Done);
    let before = record_of(store, session.record().id).await;
    for seen in [minute(-1), minute(5)] {
        assert_eq!(store.touch(touch(&session, seen)).await.unwrap(), Touched::Gone);
        assert_eq!(record_of(store, before.id).await, before, "it recorded activity");
    }
    let newer = load(store, before.id).await;
    assert_eq!(store.touch(touch(&newer, minute(5))).await.unwrap(), Touched::Moved);
}

/// The hash is replaced, and nothing else: id, sign-in and ends stay. (R11)
pub async fn rotate_replaces_the_hash_and_nothing_else(store: &impl Store) {
    let session = started_in(store, &unique("org")).await;
    let rotate = rotate(&session);
    let new = rotate.new;
    assert_eq!(store.rotate(rotate).await.unwrap(), Swapped::Done);
    let expected = Record { secret_hash: new, ..Record::clone(session.record()) };
    assert_eq!(record_of(store, expected.id).await, expected);
}

/// When the person just proved who they are, that is recorded in the same step, and moves neither
/// `created` nor `seen`. (R30)
pub async fn rotate_records_that_the_person_proved_who_they_are(store: &impl Store) {
    let session = started(store).await;
    let rotate = Rotate { authenticated: Some(minute(5)), ..rotate(&session) };
    let (secret_hash, authenticated) = (rotate.new, minute(5));
    assert_eq!(store.rotate(rotate).await.unwrap(), Swapped::Done);
    let expected = Record { secret_hash, authenticated, ..Record::clone(session.record()) };
    assert_eq!(record_of(store, expected.id).await, expected);
}

/// Who holds an older secret replaces nothing. (R11)
pub async fn rotate_of_an_older_secret_is_stale(store: &impl Store) {
    let session = started(store).await;
    assert_eq!(store.rotate(rotate(&session)).await.unwrap(), Swapped::Done);
    let before = record_of(store, session.record().id).await;
    let late = Rotate { authenticated: Some(minute(5)), ..rotate(&session) };
    assert_eq!(store.rotate(late).await.unwrap(), Swapped::Stale);
    assert_eq!(record_of(store, before.id).await, before, "the newer secret stays");
}

/// Among rotations of one secret one is done, and its secret is the one that counts. (R11)
pub async fn rotate_lets_one_of_several_racers_win(store: &impl Store) {
    let session = started(store).await;
    let rotations: Vec<_> = (0..8).map(|_| rotate(&session)).collect();
    let racers = rotations.iter().map(|rotate| store.rotate(rotate.clone()));
    let answers: Vec<_> = race(racers).await.into_iter().map(Result::unwrap).collect();
    let winner = only_winner(&answers, &Swapped::Done);
    let hash = record_of(store, session.record().id).await.secret_hash;
    assert!(hash == rotations[winner].new, "the secret of the winner counts");
}

/// A session that has ended or does not exist gets no new secret, whichever the old one. (R5)
pub async fn rotate_after_the_end_is_gone(store: &impl Store) {
    let session = started(store).await;
    end(store, session.record().id).await;
    let before = record_of(store, session.record().id).await;
    let wrong = Rotate { old: random_hash(), ..rotate(&session) };
    for rotate in [rotate(&session), wrong] {
        assert_eq!(store.rotate(rotate).await.unwrap(), Swapped::Gone);
        assert_eq!(record_of(store, before.id).await, before, "what has ended never changes");
    }
    let id = random_id();
    let unknown = Rotate { id, ..rotate(&session) };
    assert_eq!(store.rotate(unknown).await.unwrap(), Swapped::Gone);
    assert!(store.load(id).await.unwrap().is_none(), "rotate must not write it");
}

fn touch(session: &Facts, seen: Timestamp) -> Touch {
    Touch {
        id: session.record().id,
        secret_hash: session.record().secret_hash,
        seen,
        last_seen: session.record().seen,
        client: Client {
            agent: Some("another browser".into()),
            device: Some("another device".into()),
            address: Some("2001:db8::1".parse().unwrap()),
            location: Some("elsewhere".into()),
        },
        purge_after: seen + Duration::days(40),
    }
}

fn rotate(session: &Facts) -> Rotate {
    let record = session.record();
    Rotate { id: record.id, old: record.secret_hash, new: random_hash(), authenticated: None }
}
