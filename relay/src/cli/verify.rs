//! `vigie verify`: checks an export of `sub --json` again, offline, with pinned roots and nothing else.
//!
//! The readable part of a line is held against what was signed, so that an export that was edited for the eye is found
//! out as well. The first bad line ends it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{CredentialId, LogId, Sequence};
use vigie_proto::json;
use vigie_proto::limits::{CHAIN_LINKS_MAX, MESSAGE_LIFETIME_MAX};
use vigie_proto::time::Timestamp;
use vigie_proto::verify::{VerifiedMessage, claimed_credential, verify};

use super::args::Verify;
use super::exit::{Exit, Failure, Outcome};
use super::files::cannot_read;
use super::screen::{Screen, escape};
use super::session::Session;
use super::text::Lang;

/// A message of 256 KiB, its content again as JSON with everything escaped, and the frame around it.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Credentials of one export: at 1,280 bytes some 80 MiB.
const CREDENTIALS_MAX: usize = 65_536;
/// Logs of one export: a reader fails over between a few relays.
const LOGS_MAX: usize = 1_024;

pub(super) fn run(session: Session<'_>, args: &Verify) -> Outcome {
    let screen = session.screen;
    let roots = if args.roots.is_empty() {
        session.context()?.roots().clone()
    } else {
        Roots::new(args.roots.iter().copied())
    };
    let mut check = Check::new(screen.lang, roots);
    if args.file == Path::new("-") {
        check.read(io::stdin().lock(), &args.file)?;
    } else {
        let file = File::open(&args.file).map_err(|error| cannot_read(screen.lang, &args.file, &error))?;
        check.read(BufReader::new(file), &args.file)?;
    }
    check.counts.show(screen)
}

#[derive(Debug, Default)]
struct Counts {
    live: u64,
    exercise: u64,
    credentials: u64,
    suspects: u64,
    gaps: u64,
    other: u64,
}

impl Counts {
    fn show(&self, screen: &Screen) -> Outcome {
        let Self { live, exercise, credentials, suspects, gaps, other } = *self;
        if screen.json {
            return screen.object(&serde_json::json!({
                "type": "verified", "live": live, "exercise": exercise, "credentials": credentials,
                "suspects": suspects, "gaps": gaps, "other": other,
            }));
        }
        screen.line(&screen.lang.export_verified(live, exercise, credentials, suspects, gaps))
    }
}

/// What every line has.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
    #[serde(default)]
    verified: Option<bool>,
}

#[derive(Deserialize)]
struct CredentialLine {
    id: CredentialId,
    jws: String,
}

#[derive(Deserialize)]
struct MessageLine {
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
    cursor: String,
    jws: String,
}

/// What is wrong with a line.
struct Bad(String);

impl From<vigie_proto::refusal::Refusal> for Bad {
    fn from(refusal: vigie_proto::refusal::Refusal) -> Self {
        Self(refusal.to_string())
    }
}

struct Check {
    lang: Lang,
    roots: Roots,
    credentials: BTreeMap<CredentialId, Arc<Credential>>,
    chains: BTreeMap<CredentialId, Arc<Chain>>,
    /// The last place in each log.
    places: BTreeMap<LogId, (Sequence, Timestamp)>,
    counts: Counts,
}

impl Check {
    fn new(lang: Lang, roots: Roots) -> Self {
        Self {
            lang,
            roots,
            credentials: BTreeMap::new(),
            chains: BTreeMap::new(),
            places: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn read(&mut self, mut source: impl BufRead, path: &Path) -> Outcome {
        let mut number = 0_u64;
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = source.by_ref().take(LINE_BYTES_MAX);
            let read = bounded.read_until(b'\n', &mut line);
            if read.map_err(|error| cannot_read(self.lang, path, &error))? == 0 {
                return Ok(());
            }
            number += 1;
            let judged = if line.len() as u64 == LINE_BYTES_MAX {
                Err(Bad(self.lang.line_too_long(LINE_BYTES_MAX)))
            } else {
                self.line(line.trim_ascii())
            };
            judged.map_err(|Bad(why)| {
                Failure::new(Exit::VerificationFailed, self.lang.bad_line(number, escape(&why)))
            })?;
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Bad> {
        if line.is_empty() {
            return Ok(());
        }
        // A member given twice could be read one way here and another way elsewhere.
        json::check(line).map_err(|error| Bad(error.to_string()))?;
        let kind: Kind = parse(line)?;
        match (kind.r#type.as_str(), kind.verified) {
            ("credential", _) => self.credential(parse(line)?),
            // Told apart by what `sub` writes; claiming to be verified is what is judged.
            ("message", Some(false)) => {
                self.counts.suspects += 1;
                Ok(())
            }
            ("message", _) => self.message(line),
            ("gap", _) => {
                self.counts.gaps += 1;
                Ok(())
            }
            _ => {
                self.counts.other += 1;
                Ok(())
            }
        }
    }

    fn credential(&mut self, line: CredentialLine) -> Result<(), Bad> {
        let credential = Credential::parse(&line.jws)?;
        if credential.id() != line.id {
            return Err(self.differs("id"));
        }
        if self.credentials.len() >= CREDENTIALS_MAX {
            return Err(Bad(self.lang.too_many("credentials", CREDENTIALS_MAX)));
        }
        // The first one stays: a copy with another signature must not push out what was checked.
        self.credentials.entry(line.id).or_insert_with(|| Arc::new(credential));
        self.counts.credentials = self.credentials.len() as u64;
        Ok(())
    }

    fn message(&mut self, bytes: &[u8]) -> Result<(), Bad> {
        let line: MessageLine = parse(bytes)?;
        let chain = self.chain(claimed_credential(&line.jws)?)?;
        let signed = verify(&line.jws, &chain, MESSAGE_LIFETIME_MAX)?;
        signed.judge_admitted(line.admitted)?;
        self.readable_part(bytes, &signed)?;
        let cursor = Cursor { log: line.log, seq: line.seq, admitted: line.admitted };
        if line.cursor != cursor.to_string() {
            return Err(self.differs("cursor"));
        }
        self.order(&cursor)?;
        match signed.message().channel.plane {
            Plane::Live => self.counts.live += 1,
            Plane::Exercise => self.counts.exercise += 1,
        }
        Ok(())
    }

    /// The chain that ends in this credential, put together from the links that the export gave.
    fn chain(&mut self, leaf: CredentialId) -> Result<Arc<Chain>, Bad> {
        if let Some(chain) = self.chains.get(&leaf) {
            return Ok(Arc::clone(chain));
        }
        let mut links = Vec::new();
        let mut next = Some(leaf);
        while let Some(id) = next {
            let link = self.credentials.get(&id).ok_or_else(|| Bad(self.lang.credential_missing(id)))?;
            next = match link.issuer() {
                Issuer::Parent(parent) if links.len() < CHAIN_LINKS_MAX => Some(parent),
                Issuer::Parent(_) | Issuer::Itself(_) => None,
            };
            links.push(Arc::clone(link));
        }
        let tokens = links.iter().rev().map(|link| &**link.token());
        let chain = Arc::new(Chain::verify(tokens, &self.roots, &NoVerdicts)?);
        self.chains.insert(leaf, Arc::clone(&chain));
        Ok(chain)
    }

    /// What people read must be what was signed.
    fn readable_part(&self, line: &[u8], signed: &VerifiedMessage) -> Result<(), Bad> {
        let shown: Value = parse(line)?;
        let message = signed.message();
        let claims = signed.chain().leaf().claims();
        let text = |value: &dyn ToString| Value::from(value.to_string());
        let content = serde_json::to_value(&message.content).map_err(|error| Bad(error.to_string()))?;
        let expected = [
            ("/id", text(&signed.id())),
            ("/channel", text(&message.channel)),
            ("/plane", text(&message.channel.plane)),
            ("/sent", Value::from(message.sent.as_millis())),
            ("/severity", text(&message.severity)),
            ("/verified", Value::from(true)),
            ("/author/name", text(&claims.name)),
            ("/author/org", text(&claims.org)),
            ("/author/credential", text(&signed.credential())),
            ("/content", content),
        ];
        for (pointer, value) in expected {
            if shown.pointer(pointer) != Some(&value) {
                return Err(self.differs(pointer.trim_start_matches('/')));
            }
        }
        let mut places: Vec<Value> = Vec::new();
        for grant in claims.grants.iter().filter(|grant| grant.publish.is_some()) {
            let place = Value::from(grant.at.as_str());
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if shown.pointer("/author/at") == Some(&Value::from(places)) {
            Ok(())
        } else {
            Err(self.differs("author/at"))
        }
    }

    /// Within a log sequences rise, and the relay's time never goes back.
    fn order(&mut self, cursor: &Cursor) -> Result<(), Bad> {
        let before = self.places.get(&cursor.log);
        if before.is_some_and(|(seq, admitted)| cursor.seq <= *seq || cursor.admitted < *admitted) {
            return Err(Bad(self.lang.out_of_order(cursor.seq)));
        }
        if before.is_none() && self.places.len() >= LOGS_MAX {
            return Err(Bad(self.lang.too_many("logs", LOGS_MAX)));
        }
        self.places.insert(cursor.log, (cursor.seq, cursor.admitted));
        Ok(())
    }

    fn differs(&self, member: &str) -> Bad {
        Bad(self.lang.member_differs(member))
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Bad> {
    serde_json::from_slice(line).map_err(|error| Bad(error.to_string()))
}
