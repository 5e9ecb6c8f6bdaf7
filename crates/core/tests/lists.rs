//! What the origin's lists cost a page: a signature a wake-up, what is awaited first.

mod stage;

use meshedflow_core::{HttpInput, Input, Purpose};
use stage::{Stage, WINDOW, get};

/// A document of a whole window costs as many signatures as it has segments, but no task more than one.
#[test]
fn a_document_is_verified_one_list_at_a_time() {
    let mut stage = Stage::empty(0, 8);
    stage.lane();
    let gets: Vec<_> = stage.load(20).into_iter().filter_map(get).collect();
    let answer = |purpose| gets.iter().find(|get| get.purpose == purpose).unwrap().http;
    let rolling = stage.origin.rolling(21 - WINDOW..=20);
    stage.tell(Input::Http(answer(Purpose::List), HttpInput::Body(rolling.as_bytes())));
    assert_eq!(stage.checks.so_far(), 0, "nothing can be verified before the keys");
    stage.tell(Input::Http(answer(Purpose::Keys), HttpInput::Body(stage.origin.keys().as_bytes())));
    let mut before = stage.checks.so_far();
    while stage.wake(1_000).is_some() {
        let now = stage.checks.so_far();
        assert!(now <= before + 1, "{} signatures in one task", now - before);
        before = now;
    }
    assert_eq!(u64::from(before), WINDOW);
}

/// A body that is here waits for its own list only, whatever else the document has.
#[test]
fn what_is_awaited_is_verified_first() {
    let mut stage = Stage::empty(0, 8);
    stage.lane();
    let gets: Vec<_> = stage.load(20).into_iter().filter_map(get).collect();
    let answer = |purpose| gets.iter().find(|get| get.purpose == purpose).unwrap().http;
    stage.tell(Input::Http(answer(Purpose::Keys), HttpInput::Body(stage.origin.keys().as_bytes())));
    let media = gets.iter().find(|get| get.purpose == Purpose::Media).unwrap();
    stage.finish_get(media);
    // The window goes on beyond what the player asked for.
    let rolling = stage.origin.rolling(16..=23);
    stage.tell(Input::Http(answer(Purpose::List), HttpInput::Body(rolling.as_bytes())));
    assert_eq!(stage.checks.so_far(), 1);
    assert!(
        stage.mesh.stats().stored_bytes >= u64::from(stage.origin.length()),
        "its own list was the first"
    );
}
