//! The real relay, watched or disturbed by strace: a deployment, its process, and the trace as values.
//!
//! strace counts calls (`when=N`) for each thread and, with `-P`, for each path; with `-ff` every thread has a file of
//! its own, so that no line is torn. With `-D` the relay, not strace, is the child: its exit status is its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use vigie_client::proto::channel::Plane;
use vigie_client::{Client, ClientConfig, Context, Live};
use vigie_relay::journal::mark_new;

pub(crate) const VIGIE: &str = env!("CARGO_BIN_EXE_vigie");

/// Past it something hangs: whatever is waited for here takes milliseconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at what is waited for.
const POLL: Duration = Duration::from_millis(2);

/// Long, so that what leaves a relay is an answer or an event, and nothing else.
const MARK_INTERVAL: Duration = Duration::from_secs(300);

/// Looks again and again, up to [`DEADLINE`].
pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        sleep(POLL).await;
    }
    condition()
}

/// A deployment made by `vigie init`, on which any number of relays run, each with a journal of its own.
pub(crate) struct Place {
    _folder: tempfile::TempDir,
    dir: PathBuf,
    context: Context,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // strace names files as the kernel does.
        let dir = folder.path().canonicalize().unwrap().join("place");
        let made = Command::new(VIGIE).arg("init").arg(&dir).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let context = Context::open(&dir).unwrap();
        Self { _folder: folder, dir, context }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// A client of this person, at the relay that listens on `address`.
    pub(crate) fn client(&self, name: &str, address: &str) -> Client<Live> {
        let relay = format!("wss://{address}").parse().unwrap();
        let identity = self.context.identity(name, Plane::Live).unwrap();
        let (tls, roots) = (self.context.tls_roots().clone(), self.context.roots().clone());
        let mut config = ClientConfig::new(vec![relay], tls, roots, identity);
        config.mark_interval = MARK_INTERVAL;
        Client::new(config).unwrap()
    }

    /// A folder for a relay with these settings, and nothing in it yet.
    pub(crate) fn node(&self, name: &str, settings: &str) -> Node {
        let dir = self.dir.join(name);
        std::fs::create_dir_all(dir.join("trace")).unwrap();
        let journal = dir.join("journal");
        mark_new(&journal).unwrap();
        let text = std::fs::read_to_string(self.dir.join("vigie.toml")).unwrap();
        // Absolute: what the relay opens is then spelled as what strace is told to look for.
        let named = text.replace("\njournal = \"journal\"", &format!("\njournal = {journal:?}"));
        assert_ne!(named, text, "the settings name the journal");
        let config = self.dir.join(format!("{name}.toml"));
        // The socket of the door lies in the folder, and is nothing of the journal.
        let more = "publishes_per_credential_max = 1000000\noperators_door = false";
        std::fs::write(&config, format!("{named}\n{more}\n{settings}\n")).unwrap();
        Node { dir, journal, config }
    }
}

/// What one relay has on disk.
pub(crate) struct Node {
    dir: PathBuf,
    pub(crate) journal: PathBuf,
    config: PathBuf,
}

impl Node {
    pub(crate) fn trace(&self) -> PathBuf {
        self.dir.join("trace")
    }

    /// The relay as it is.
    pub(crate) fn start(&self) -> Relay {
        self.spawn(Command::new(VIGIE))
    }

    /// The relay with all its threads under strace, from its first instruction on.
    pub(crate) fn start_traced(&self, options: &[String]) -> Relay {
        let mut strace = Command::new("strace");
        strace.args(["-D", "-f", "-ff", "-o"]).arg(self.trace().join("t")).args(options).arg(VIGIE);
        self.spawn(strace)
    }

    fn spawn(&self, mut command: Command) -> Relay {
        command.args(["relay", "run", "--listen", "127.0.0.1:0", "--config"]).arg(&self.config);
        command.env("VIGIE_LOG", "error").env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped());
        Relay::new(command.spawn().unwrap())
    }

    /// The calls of every thread, by thread.
    pub(crate) fn traced(&self) -> Vec<(u32, String)> {
        let mut threads: Vec<(u32, String)> = std::fs::read_dir(self.trace())
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let thread = path.extension().unwrap().to_str().unwrap().parse().unwrap();
                (thread, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned())
            })
            .collect();
        threads.sort_unstable_by_key(|(thread, _)| *thread);
        threads
    }

    /// Whether the trace has this word in it by now.
    pub(crate) fn trace_says(&self, word: &str) -> bool {
        self.traced().iter().any(|(_, text)| text.contains(word))
    }
}

/// A relay; killed when it is dropped.
pub(crate) struct Relay {
    child: Child,
    address: Arc<OnceLock<String>>,
    said: Arc<Mutex<String>>,
}

impl Relay {
    fn new(mut child: Child) -> Self {
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (address, said) = (Arc::default(), Arc::default());
        let (told, kept): (Arc<OnceLock<String>>, Arc<Mutex<String>>) =
            (Arc::clone(&address), Arc::clone(&said));
        // Ends with the process: what it says must be taken from it, or it would wait for a reader.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("vigie: listening on ") {
                    told.set(address.to_owned()).unwrap();
                }
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, address, said }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.address)
    }

    /// Waits until it listens.
    pub(crate) async fn listening(&mut self) -> Result<String, String> {
        let address = self.address();
        let mut ended = false;
        eventually(|| {
            ended = self.ended().is_some();
            ended || address.get().is_some()
        })
        .await;
        address.get().cloned().ok_or_else(|| format!("it does not listen: {}", self.said()))
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Kills it, then whoever traces it: a tracer that holds a thread back would hold back its end as well.
    pub(crate) fn kill_with_tracer(&mut self) {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten();
        let tracer = |thread: std::fs::DirEntry| {
            let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
            let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim().to_owned();
            (tracer != "0").then_some(tracer)
        };
        let tracer = threads.filter_map(Result::ok).find_map(tracer);
        self.kill();
        if let Some(tracer) = tracer {
            let _ = Command::new("kill").args(["-KILL", &tracer]).status();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// Asks the relay to stop.
pub(crate) fn terminate(pid: u32) {
    assert!(Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap().success());
}

/// The thread of this process that has this name.
pub(crate) fn thread_named(pid: u32, name: &str) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.filter_map(Result::ok).map(|entry| entry.path()).find_map(|path| {
        let comm = std::fs::read_to_string(path.join("comm")).ok()?;
        (comm.trim_end() == name).then(|| path.file_name()?.to_str()?.parse().ok())?
    })
}

/// One finished line of a trace.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) thread: u32,
    /// Seconds, when it began; only with `-ttt`.
    pub(crate) begun: f64,
    /// When it returned; only with `-T`.
    pub(crate) ended: f64,
    pub(crate) name: String,
    /// The arguments and what follows them.
    pub(crate) rest: String,
    /// What it returned, when that is a number.
    pub(crate) result: Option<i64>,
}

impl Call {
    /// Reads `1795313765.784622 close(13</a/b>) = 0 <0.000012>`; `None` for signals and exits.
    pub(crate) fn parse(thread: u32, line: &str) -> Option<Self> {
        let (begun, call) = line.split_once(' ')?;
        let begun: f64 = begun.parse().ok()?;
        let (name, rest) = call.trim_start().split_once('(')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let (took, body) = match rest.strip_suffix('>').and_then(|rest| rest.rsplit_once(" <")) {
            Some((body, took)) => (took.parse().unwrap_or_default(), body),
            None => (0.0, rest),
        };
        let returned = body.rsplit_once(" = ").map(|(_, returned)| returned);
        let digits = |text: &str| text.split([' ', '<']).next().and_then(|number| number.parse().ok());
        let result = returned.and_then(digits);
        Some(Self { thread, begun, ended: begun + took, name: name.into(), rest: rest.into(), result })
    }

    /// The first file at or below this folder that it names, by path or by descriptor.
    pub(crate) fn path_below(&self, folder: &Path) -> Option<PathBuf> {
        let folder = folder.to_str()?;
        let marks = ["\"", "<"].map(|mark| format!("{mark}{folder}"));
        let at = marks.iter().filter_map(|mark| self.rest.find(mark.as_str())).min()? + 1;
        let path = self.rest[at..].split(['"', '>']).next()?;
        let whole = path == folder || path[folder.len()..].starts_with('/');
        whole.then(|| PathBuf::from(path))
    }
}

/// Every call of a trace that could be read, by thread and then by time.
pub(crate) fn calls(traced: &[(u32, String)]) -> Vec<Call> {
    let lines = traced.iter().flat_map(|(thread, text)| text.lines().map(move |line| (*thread, line)));
    lines.filter_map(|(thread, line)| Call::parse(thread, line)).collect()
}
