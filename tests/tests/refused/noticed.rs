//! Tests of the tests: what must not happen is noticed when it does.

use vigie_proto::refusal::Code::{BadSignature, NotGranted, WrongPlane};

use crate::case::{Case, login, message, message_in};
use crate::draft::Who;
use crate::forge::Key;
use crate::stage::Stage;

/// Whether a test that does this fails.
fn fails<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) -> bool {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    };
    std::thread::spawn(run).join().is_err()
}

const SOUND: Case = message("signed by another key", BadSignature, |draft| draft.key = Key::fresh());

/// Cases that do not hold.
const WRONG: [Case; 4] = [
    message("nothing is wrong", BadSignature, |_| {}),
    message("refused with another code", WrongPlane, |draft| draft.key = Key::fresh()),
    message_in("its twin is refused too", BadSignature, |draft| draft.key = Key::fresh(), |_| {}),
    login("nothing is wrong with a log-in", NotGranted, |_| {}),
];

#[test]
fn a_case_that_does_not_hold_is_noticed() {
    assert!(!fails(|| async { Stage::new().await.run(&[SOUND]).await }));
    for case in WRONG {
        let fault = case.fault;
        assert!(fails(move || async move { Stage::new().await.run(&[case]).await }), "{fault}");
    }
}

/// A relay that refuses a message, and admits it all the same.
async fn admits_in_secret() -> Stage {
    let mut stage = Stage::new().await;
    let jws = stage.message(Who::Author).to_token();
    let mut session = stage.session(Who::Author).await;
    assert_eq!(session.publish(&jws).await["op"], "receipt");
    stage
}

#[test]
fn a_message_that_nobody_was_to_hear_is_noticed_by_witnesses_and_on_disk() {
    assert!(fails(|| async { admits_in_secret().await.check_witnesses().await }));
    assert!(fails(|| async { admits_in_secret().await.end() }));
}
