//! Tests of the module beside this file.

use super::super::sample::{events, record, story};
use super::*;

fn after_the_story(total: u32) -> Progress {
    let mut progress = Progress::new(total, 0);
    story().iter().flat_map(events).for_each(|event| progress.update(&event));
    progress
}

#[test]
fn the_line_tells_what_the_events_told() {
    let mut progress = after_the_story(31);
    progress.update(&events(&record(7, "s"))[0]);
    assert_eq!(
        progress.line(Duration::from_secs(7), 200),
        "7/31 · 1 in flight · 2 failed · 2 errored · 1 retry · 1,100 tokens · $0.002 · 24 s left"
    );
    assert_eq!(progress.ticker(), "7/31 · 1 in flight · 2 failed · 2 errored · 1 retry");
    let waits = |plan, why| Live::Waits { plan, why };
    for live in [waits(7, Waiting::Retry), waits(8, Waiting::Asked), Live::Waited { plan: 7 }] {
        progress.update_live(&live);
    }
    assert!(progress.ticker().ends_with(" · 1 waiting as the provider asks"), "{}", progress.ticker());
    progress.update_live(&Live::Waited { plan: 8 });
    assert!(!progress.ticker().contains("waiting"));
}

#[test]
fn of_several_reasons_to_wait_that_of_most_calls_is_told() {
    let mut progress = Progress::new(9, 0);
    let whys = [Waiting::Crowded, Waiting::Retry, Waiting::Crowded, Waiting::Retry, Waiting::Crowded];
    for (plan, why) in (0..).zip(whys) {
        progress.update_live(&Live::Waits { plan, why });
    }
    assert_eq!(progress.line(Duration::ZERO, 200), "0/9 · 0 in flight · 5 waiting after 429");
    for plan in [0, 2] {
        progress.update_live(&Live::Waited { plan });
    }
    assert_eq!(progress.line(Duration::ZERO, 200), "0/9 · 0 in flight · 3 waiting to retry");
}

#[test]
fn in_a_narrow_terminal_what_tells_least_is_left_out_and_no_word_is_cut() {
    let mut progress = after_the_story(1_200);
    progress.update_live(&Live::Waits { plan: 9, why: Waiting::Asked });
    let all = progress.line(Duration::from_secs(7), 200);
    let narrow = |room| progress.line(Duration::from_secs(7), room);
    assert_eq!(narrow(width(&all)), all);
    assert_eq!(narrow(width(&all) - 1), all.replace(" · 1,100 tokens", ""));
    let kept = "7/1,200 · 0 in flight · 2 failed · 2 errored · 1 retry · 1 waiting for Retry-After";
    assert_eq!(narrow(100), format!("{kept} · 20 min left"));
    assert_eq!(narrow(90), kept);
    assert_eq!(narrow(40), "7/1,200 · 2 failed · 2 errored");
}

#[test]
fn what_there_is_none_of_is_left_out() {
    assert_eq!(Progress::new(31, 0).line(Duration::from_secs(3), 200), "0/31 · 0 in flight");
    assert_eq!(Progress::new(31, 0).ticker(), "0/31 · 0 in flight · 0 failed");
    assert_eq!(after_the_story(7).left(Duration::from_secs(3)), None);
}

#[test]
fn the_first_line_says_what_will_be_done() {
    assert_eq!(
        first_line("0.1.0", 1, 31, 1180, &[("builtin", 24), ("qwen", 7)]),
        "chat-eval 0.1.0 · 1 scenario · 31 conversations · 1,180 calls at most · builtin 24, qwen 7"
    );
}

#[test]
fn a_run_that_goes_on_begins_at_what_is_done_and_tells_the_time_left_by_what_it_did_itself() {
    let mut progress = Progress::new(31, 10);
    assert_eq!(progress.line(Duration::from_secs(3), 200), "10/31 · 0 in flight");
    story().iter().flat_map(events).for_each(|event| progress.update(&event));
    assert_eq!((progress.done, progress.left(Duration::from_secs(7))), (17, Some(Duration::from_secs(14))));
}
