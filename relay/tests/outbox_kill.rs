//! What an outbox took over is sent, whatever becomes of the process: a client that queues and sends is killed thirty
//! times at random moments. Every message whose enqueue returned is at the relay exactly once, in order.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]
#![allow(clippy::print_stderr, reason = "what the relay says belongs to the output of the test")]
#![allow(clippy::print_stdout, reason = "what a run came to belongs to its output")]
#![cfg(unix)]

#[expect(dead_code, reason = "shared with the kills of the relay")]
mod kills;

use std::time::Duration;

use kills::{Moments, Queue};

const KILLS: u32 = 30;
/// From the start of the client to its kill.
const LIFE_MAX: Duration = Duration::from_millis(120);

#[tokio::test]
async fn client_that_is_killed() {
    kills::live_as_client().await;
}

#[tokio::test]
async fn what_was_taken_over_is_sent_once_and_in_order_through_thirty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let place = kills::init(folder.path());
    let _relay = kills::first_relay(&place);
    let (mut moments, mut queue) = (Moments::new(), Queue::default());
    for _ in 0..KILLS {
        queue.run_and_kill(&place, &mut moments, LIFE_MAX).await;
    }
    queue.judge(&place).await;
    let meant = queue.lives_that_queued > KILLS / 3 && queue.told.len() > 30;
    assert!(meant, "too little happened to mean anything");
}
