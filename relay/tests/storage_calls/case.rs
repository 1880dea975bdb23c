//! One run of the workload, with or without a fault, and the judgement of what it left behind.

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep, timeout};
use vigie_client::proto::frame::Start;
use vigie_client::proto::id::MessageId;
use vigie_client::{Delivery, Receipt};

use crate::calls::{Fault, Moments, On, Reach, Target};
use crate::support::{DEADLINE, Node, Place, Relay, eventually, terminate, thread_named};
use crate::workload::{Seen, Workload};

/// The documented exit code of a relay whose disk failed.
const STORAGE_FAILED: i32 = 10;

/// A relay is at rest when nothing was traced for so long: its rest begins 10 ms after the last publish.
const QUIET: Duration = Duration::from_millis(500);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Every publish has a receipt, and the relay stopped when it was asked to.
    Completed,
    /// The relay stopped by itself, with the exit code of a failed disk.
    Stopped,
    Killed,
}

/// What a run may end in, by the rules of the journal.
fn allowed(target: &Target, fault: Fault) -> &'static [Outcome] {
    let grows = matches!(target.on, On::Unfinished | On::Reserve)
        && (target.creates || matches!(target.name.as_str(), "fallocate" | "fdatasync" | "pwrite64"));
    match fault {
        Fault::KillBefore | Fault::KillAfter => &[Outcome::Killed],
        // Health asks the folder how much room is left, and does without the answer.
        Fault::Eio | Fault::Enospc
            if target.on == On::Folder && matches!(target.name.as_str(), "openat" | "statx") =>
        {
            &[Outcome::Completed, Outcome::Stopped]
        }
        // Repeated, and nobody notices.
        Fault::Eintr => &[Outcome::Completed],
        // Nothing is lost by it: all that counts was synced before.
        Fault::Eio | Fault::Enospc if target.name == "close" => &[Outcome::Completed],
        // A segment that retention cannot read stays; the rest goes on.
        Fault::Eio | Fault::Enospc if target.name == "pread64" && target.reach == Reach::Attached => {
            &[Outcome::Completed]
        }
        // What cannot be read is damage: told to readers and the operator where the end of the journal is sound.
        Fault::Eio if target.name == "pread64" => &[Outcome::Completed, Outcome::Stopped],
        // No room for what nothing depends on yet: a start cannot do without, later it is tried again.
        Fault::Enospc if grows && target.at_start => &[Outcome::Completed, Outcome::Stopped],
        Fault::Enospc if grows => &[Outcome::Completed],
        Fault::Eio | Fault::Enospc => &[Outcome::Stopped],
    }
}

/// The run without faults, or the states that it went through.
pub(crate) struct Baseline {
    pub(crate) states: Vec<Seen>,
    pub(crate) moments: Moments,
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Runs without faults; every system call is traced.
pub(crate) async fn baseline(place: &Place, workload: &Workload, node: &Node) -> Baseline {
    let options = ["-ttt", "-y", "-e", "trace=all"].map(String::from);
    let mut relay = node.start_traced(&options);
    let address = relay.listening().await.unwrap();
    let listening = seconds();
    let mut states = vec![at_rest(node).await];
    let first_publish = seconds();
    let client = place.client("nation", &address);
    for message in &workload.publishes {
        timeout(DEADLINE, client.publish_signed(message)).await.unwrap().unwrap();
        states.push(at_rest(node).await);
    }
    drop(client);
    let stop = seconds();
    terminate(relay.pid());
    assert!(eventually(|| relay.ended().is_some()).await, "it stops: {}", relay.said());
    assert!(relay.ended().unwrap().success(), "{}", relay.said());
    let main = relay.pid();
    let whole = || node.traced().iter().any(|(thread, text)| *thread == main && text.contains("+++ exited"));
    assert!(eventually(whole).await, "the trace has an end");
    Baseline { states, moments: Moments { main, listening, first_publish, stop } }
}

/// Waits until nothing more happens to the journal.
async fn at_rest(node: &Node) -> Seen {
    let named = node.journal.to_str().unwrap();
    let look = || {
        let calls: usize = node.traced().iter().map(|(_, text)| text.matches(named).count()).sum();
        (Seen::of(&node.journal), calls)
    };
    let mut last = look();
    let (begun, mut since) = (Instant::now(), Instant::now());
    while since.elapsed() < QUIET {
        assert!(begun.elapsed() < DEADLINE, "the journal comes to rest: {last:?}");
        sleep(Duration::from_millis(20)).await;
        let now = look();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last.0
}

/// strace on one thread. It ends with the thread; whoever holds it lets go of the relay first.
struct Attached(Child);

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

async fn attach(node: &Node, thread: u32, options: &[String]) -> Attached {
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(node.trace().join(format!("t.{thread}"))).args(options);
    let said = node.trace().with_extension("strace");
    strace.args(["-p", &thread.to_string()]).stdin(Stdio::null());
    let attached = Attached(strace.stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap());
    let says = || std::fs::read_to_string(&said).unwrap().contains("attached");
    assert!(eventually(says).await, "strace attaches: {}", std::fs::read_to_string(&said).unwrap());
    attached
}

/// A case: one call, one fault.
pub(crate) struct Case<'w> {
    pub(crate) place: &'w Place,
    pub(crate) workload: &'w Workload,
    pub(crate) states: &'w [Seen],
    pub(crate) target: &'w Target,
    pub(crate) fault: Fault,
}

/// What became of it.
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) receipts: usize,
}

impl Case<'_> {
    /// Runs it and judges what is left.
    ///
    /// # Errors
    /// What must not be, in words.
    pub(crate) async fn run(&self, name: &str) -> Result<Report, String> {
        let node = self.workload.node(self.place, name);
        let options = self.target.options(&node.journal, self.fault);
        let attached = RefCell::new(None);
        let mut relay = match self.target.reach {
            Reach::FromStart => node.start_traced(&options),
            Reach::Attached => node.start(),
        };
        let receipts = RefCell::new(Vec::new());
        let (pid, address) = (relay.pid(), relay.address());
        let publishing = async {
            eventually(|| address.get().is_some()).await;
            let Some(address) = address.get() else { return std::future::pending().await };
            self.come_to(&node, 0).await;
            if self.target.reach == Reach::Attached {
                let thread = thread_named(pid, "vigie-journal").expect("the journal has a thread");
                attached.replace(Some(attach(&node, thread, &options).await));
            }
            self.publish(&node, address, &receipts).await;
            terminate(pid);
            std::future::pending().await
        };
        let status = tokio::select! {
            biased;
            status = self.watch(&node, &mut relay) => status?,
            () = publishing => return Err("unreachable".into()),
        };
        // The trace of a tracer that was killed has no end.
        let ends = |(_, text): &(u32, String)| text.contains("+++ ");
        let whole = || self.fault == Fault::KillAfter || node.traced().iter().all(ends);
        if !eventually(whole).await || !self.has_struck(&node) {
            return Err(format!("the call was not met; {status}: {}", relay.said()));
        }
        let receipts = receipts.into_inner();
        let outcome = self.judge(status, &receipts, &relay.said())?;
        drop(relay);
        check(self.place, self.workload, &node, &receipts)
            .await
            .map_err(|fault| format!("afterwards: {fault}"))?;
        // Hundreds of these would fill a memory file system.
        let _ = std::fs::remove_dir_all(&node.journal);
        Ok(Report { outcome, receipts: receipts.len() })
    }

    async fn publish(&self, node: &Node, address: &str, receipts: &RefCell<Vec<(usize, Receipt)>>) {
        let client = self.place.client("nation", address);
        for (n, message) in self.workload.publishes.iter().enumerate() {
            let receipt = loop {
                match client.publish_signed(message).await {
                    Ok(receipt) => break receipt,
                    Err(error) if error.is_temporary() => sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            };
            receipts.borrow_mut().push((n, receipt));
            self.come_to(node, n + 1).await;
        }
    }

    /// Waits until the journal has come as far as the run without faults had, so that the same calls follow; once the
    /// fault has struck, what follows may differ.
    async fn come_to(&self, node: &Node, state: usize) {
        let there = || Seen::of(&node.journal) == self.states[state] || self.has_struck(node);
        eventually(there).await;
    }

    fn has_struck(&self, node: &Node) -> bool {
        let sign = match self.fault {
            Fault::Eio | Fault::Enospc | Fault::Eintr => "(INJECTED)",
            Fault::KillBefore => "killed by SIGKILL",
            Fault::KillAfter => "(DELAYED)",
        };
        node.trace_says(sign)
    }

    /// Waits for the end of the relay, and brings it about when its thread is held back.
    async fn watch(&self, node: &Node, relay: &mut Relay) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = relay.ended() {
                return Ok(status);
            }
            if self.fault == Fault::KillAfter && self.has_struck(node) {
                relay.kill_with_tracer();
            }
            sleep(Duration::from_millis(2)).await;
        }
        Err(format!("it hangs; the journal is {:?}: {}", Seen::of(&node.journal), relay.said()))
    }

    fn judge(
        &self,
        status: ExitStatus,
        receipts: &[(usize, Receipt)],
        said: &str,
    ) -> Result<Outcome, String> {
        let all = receipts.len() == self.workload.publishes.len();
        let outcome = match (status.code(), status.signal()) {
            (Some(0), _) if all => Outcome::Completed,
            (Some(STORAGE_FAILED), _) => Outcome::Stopped,
            (None, Some(9)) => Outcome::Killed,
            _ => return Err(format!("{status} with {} receipts: {said}", receipts.len())),
        };
        if !allowed(self.target, self.fault).contains(&outcome) {
            return Err(format!("{outcome:?}: {said}"));
        }
        // Nothing at or after a failed call is acknowledged.
        if outcome != Outcome::Completed && receipts.len() > self.target.acked_before {
            let (got, may) = (receipts.len(), self.target.acked_before);
            return Err(format!("{got} receipts, and only {may} publishes were synced before: {said}"));
        }
        Ok(outcome)
    }
}

/// Starts the relay anew, without faults: all that had a receipt is there, at its place, once, in order, in the same log,
/// and nothing that nobody sent.
async fn check(
    place: &Place,
    workload: &Workload,
    node: &Node,
    receipts: &[(usize, Receipt)],
) -> Result<(), String> {
    let mut relay = node.start();
    let address = relay.listening().await?;
    let mut expected = workload.before.clone();
    let author = place.client("nation", &address);
    for (n, message) in workload.publishes.iter().enumerate() {
        let again = timeout(DEADLINE, author.publish_signed(message)).await;
        let again = again.map_err(|_| "a publish hangs")?.map_err(|error| error.to_string())?;
        if let Some((_, first)) = receipts.iter().find(|(of, _)| *of == n)
            && (first.seq, first.log) != (again.seq, again.log)
        {
            return Err(format!(
                "publish {n} had a receipt for {}, now for {}",
                first.seq.get(),
                again.seq.get()
            ));
        }
        if again.log != workload.log {
            return Err(format!("another log: {:?}", again.log));
        }
        expected.insert(again.seq.get(), message.id());
    }
    let last = expected.last_key_value().map_or(0, |(seq, _)| *seq);
    let given = read_up_to(place, &address, last).await?;
    let expected: Vec<(u64, MessageId)> = expected.into_iter().collect();
    if expected.len() != workload.before.len() + workload.publishes.len() {
        return Err(format!("two messages share a place: {expected:?}"));
    }
    (given == expected).then_some(()).ok_or_else(|| format!("given {given:?} instead of {expected:?}"))
}

/// What a reader who begins at the beginning is given up to this place.
async fn read_up_to(place: &Place, address: &str, last: u64) -> Result<Vec<(u64, MessageId)>, String> {
    let filter = vec!["alert/fr.idf.75.paris".parse().unwrap()];
    let mut subscription = place.client("town", address).subscribe(filter, Start::Beginning);
    let mut given = Vec::new();
    while given.last().is_none_or(|(seq, _)| *seq < last) {
        let next =
            timeout(DEADLINE, subscription.next()).await.map_err(|_| "a reader is not given the rest")?;
        match next.ok_or("the subscription ended")? {
            Delivery::Message(message) => given.push((message.seq().get(), message.id())),
            Delivery::CaughtUp(_) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(given)
}

/// For messages of the test.
pub(crate) fn shown(target: &Target, fault: Fault) -> String {
    let Target { reach, name, path, ordinal, .. } = target;
    format!("{name} {} no. {ordinal} ({reach:?}), {fault:?}", Path::new("journal").join(path).display())
}
