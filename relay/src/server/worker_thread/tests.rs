//! Tests of what a worker's thread tells of its sessions and lines. What it hands on is seen by whole relays: the workspace's
//! `tests/`.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;
use vigie_proto::chain::Roots;
use vigie_proto::session::relay::Rules;

use super::super::submissions;
use super::super::tests::{NOW, SetTime, sequencer};
use super::*;
use crate::journal::sim_disk::SimDisk;
use crate::net::tls::Shown;
use crate::sync::mpsc::sync_channel;

const BINDING: Binding = Binding::Certificate([7; 32]);

/// A worker of a relay that nobody runs. Whatever waits for a session is too much.
fn local() -> Local {
    let sequencer = sequencer(&SimDisk::new());
    let rules = Arc::new(Rules::new(Roots::new([]), Vec::new()));
    let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    let shown = Shown { config: Arc::new(tls), binding: BINDING, valid: None, clients: None };
    Local::new(Parts {
        config: WorkerConfig { outbox_bytes_max: 0, ..WorkerConfig::new(0, rules, sequencer.log()) },
        chains: sequencer.chains(),
        revocations: sequencer.revocations(),
        verdicts: Arc::default(),
        head: sequencer.head(),
        inboxes: vec![Arc::default()],
        submissions: submissions::queue(1).0,
        reads: sync_channel(1).0,
        tls: Arc::new(Tls::new(shown, Vec::new())),
        origins: Vec::new(),
        stranger_bytes: StrangerBytes::default(),
        clock: Arc::new(Clock::new(Box::new(SetTime::at(NOW)))),
    })
}

#[test]
fn each_connection_has_a_session_of_its_own() {
    let local = local();
    let opened = [(); 3].map(|()| local.open_session(BINDING, NOW).unwrap());
    assert!(opened[0] != opened[1] && opened[1] != opened[2] && opened[0] != opened[2]);
    local.close_session(opened[1]);
    assert!(
        !opened.contains(&local.open_session(BINDING, NOW).unwrap()),
        "its place is used again, its name is not"
    );
    assert_eq!(local.worker.borrow().sessions(), 3);
}

#[test]
fn who_came_to_no_session_is_counted_too() {
    let local = local();
    local.open_session(BINDING, NOW).unwrap();
    local.count_refusal(Code::LoginTimeout);
    local.upgrade_rules.refused.borrow_mut().note(Code::LoginTimeout);
    local.upgrade_rules.refused.borrow_mut().note(Code::NotFound);
    local.tls_failed.set(3);
    local.upgrade_rules.unreadable.set(4);
    let counts = local.counts();
    let refused: Vec<_> = counts.refusals.iter().filter(|(_, times)| *times > 0).collect();
    assert!(refused.len() == 2 && refused.contains(&(Code::LoginTimeout, 2)), "{refused:?}");
    assert!(refused.contains(&(Code::NotFound, 1)), "{refused:?}");
    assert_eq!((counts.strangers, counts.tls_failed, counts.http_failed), (1, 3, 4));
}

#[test]
fn nothing_is_read_of_whom_too_much_waits_for() {
    let local = local();
    let id = local.open_session(BINDING, NOW).unwrap();
    assert!(!local.may_read(id), "its challenge waits");
    local.give_output(id, &mut Batch::default());
    assert!(local.may_read(id));
}

/// Where it is not told, Linux is left to end the line by itself.
#[test]
fn it_says_whether_the_system_tells_of_a_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialled = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.write_all(b"unread").unwrap();
    accepted.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let (local, accepted) = (local(), TcpStream::from_std(accepted).unwrap());
    let id = local.open_session(BINDING, NOW).unwrap();
    assert!(local.watch(id, &accepted));
    // Who closes it without having read resets it: there is no line any more.
    drop(dialled);
    assert!(!local.watch(id, &accepted));
}

/// Letters and sockets have their turn in between, and so has what is urgent and comes then.
#[test]
fn of_those_who_have_output_so_many_are_called_in_one_turn() {
    struct Counted(AtomicUsize);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (local, count) = (local(), Arc::new(Counted(AtomicUsize::new(0))));
    let waker = Waker::from(Arc::clone(&count));
    for _ in 0..150 {
        let id = local.open_session(BINDING, NOW).unwrap();
        local.set_waker(id, &waker);
    }
    assert!(local.calling.get(), "their challenges wait, so the task that calls was told");
    for (called, more) in [(64, true), (128, true), (150, false), (150, false)] {
        assert_eq!(local.call_some(), more);
        assert_eq!(count.0.load(Ordering::Relaxed), called);
    }
    assert!(!local.calling.get(), "the next who has output tells it again");
    local.open_session(BINDING, NOW).unwrap();
    assert!(local.calling.get());
}
