//! `vigie trust list`: every identity of the context on both planes, and the relay's own, with how each stands.

use std::sync::Arc;

use serde::Serialize;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Jurisdiction, Plane};
use vigie_proto::credential::{Grant, Role};
use vigie_proto::expiry;
use vigie_proto::id::{CredentialId, KeyId, RevocationId};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use super::args::TrustList;
use super::former::{self, Former};
use super::grant_list;
use super::known::Known;
use crate::cli::exit::{Failure, Outcome, refusal_text};
use crate::cli::init::PLANES;
use crate::cli::screen::{Screen, Tone, escape};
use crate::cli::session::Session;
use crate::cli::{ends, files, time};

pub(super) fn run(session: Session<'_>, args: &TrustList) -> Outcome {
    let (screen, context) = (session.screen, session.context()?);
    let planes: Vec<Plane> =
        PLANES.into_iter().filter(|plane| !args.exercise || *plane == Plane::Exercise).collect();
    let mut known = args.sources.revocations(session, &planes)?;
    let names = context.identities().map_err(|error| session.context_failed(&error))?;
    let mut listed: Vec<Vec<Listed>> = Vec::new();
    for plane in &planes {
        let mut of_plane = Vec::new();
        for name in &names {
            let chain = match context.identity(name, *plane) {
                Ok(identity) => Ok(Arc::clone(identity.chain())),
                Err(error) => Err(escape(&screen.lang.context_error(&error))),
            };
            let former = former::all(session, name, *plane)?;
            of_plane.push(Listed { name: name.clone(), chain, former });
        }
        if *plane == Plane::Live
            && let Some(chain) = relay_chain(session, context.roots())
        {
            of_plane.push(Listed { name: screen.lang.the_relay(), chain, former: Vec::new() });
        }
        listed.push(of_plane);
    }
    let chains: Vec<Arc<Chain>> =
        listed.iter().flatten().filter_map(|one| one.chain.as_ref().ok().cloned()).collect();
    known.add_kept(session, chains.iter().map(|chain| &**chain))?;
    for (plane, of_plane) in planes.iter().zip(listed) {
        let rows: Vec<Row> = of_plane.into_iter().map(|one| Row::new(session, one, *plane, &known)).collect();
        show(&screen.on(*plane), &rows)?;
    }
    ends::warn_all(screen, chains.iter().map(|chain| &**chain));
    ends::warn_roots(screen, context.roots(), chains.iter().map(|chain| &**chain));
    if !known.is_asked {
        screen.say(&screen.lang.list_nobody_asked());
    }
    Ok(())
}

/// An identity before it is judged.
struct Listed {
    name: String,
    /// Or why there is none.
    chain: Result<Arc<Chain>, String>,
    former: Vec<Former>,
}

/// Where `vigie init` puts it; a context elsewhere has none.
fn relay_chain(session: Session<'_>, roots: &Roots) -> Option<Result<Arc<Chain>, String>> {
    let path = session.folder().ok()?.join("relay").join("relay.chain");
    let lang = session.screen.lang;
    let tokens = path.is_file().then(|| files::read_chain(lang, &path))?;
    let chain = tokens.map_err(|failure| failure.to_string()).and_then(|tokens| {
        Chain::verify(tokens.iter().map(String::as_str), roots, &NoVerdicts)
            .map_err(|refusal| refusal_text(lang, &refusal))
    });
    Some(chain.map(Arc::new))
}

/// How a chain stands, in a word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    EndsSoon,
    NotYetValid,
    Ended,
    Revoked,
    Unusable,
}

#[derive(Serialize)]
struct Row {
    r#type: &'static str,
    identity: String,
    plane: Plane,
    status: State,
    #[serde(flatten)]
    held: Option<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    /// The link that is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<CredentialId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation: Option<RevocationId>,
    /// Where somebody was asked: whether it is known there, or was only signed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    former: Vec<Former>,
}

/// What its last credential says.
#[derive(Serialize)]
struct Held {
    org: Jurisdiction,
    title: String,
    role: Role,
    grants: Vec<Grant>,
    key: KeyId,
    credential: CredentialId,
    not_before: Timestamp,
    expires: Timestamp,
    days_left: u64,
}

impl Row {
    fn new(session: Session<'_>, listed: Listed, plane: Plane, known: &Known) -> Self {
        let (now, lang) = (time::now(), session.screen.lang);
        let Listed { name: identity, chain, former } = listed;
        let row = Self {
            r#type: "trust",
            identity,
            plane,
            status: State::Unusable,
            held: None,
            code: None,
            by: None,
            revocation: None,
            told: None,
            why: None,
            former,
        };
        let chain = match chain {
            Ok(chain) => chain,
            Err(why) => return Self { why: Some(why), ..row },
        };
        let (leaf, revoked) = (chain.leaf(), known.revocations.revoked(&chain));
        let claims = leaf.claims();
        let held = Held {
            org: claims.org.clone(),
            title: claims.name.clone(),
            role: claims.role,
            grants: claims.grants.clone(),
            key: leaf.key_id(),
            credential: leaf.id(),
            not_before: claims.valid.from,
            expires: claims.valid.until,
            days_left: claims.valid.until.since(now).as_secs() / time::DAY.as_secs(),
        };
        let fault: Option<Refusal> =
            revoked.map(|revoked| revoked.refusal()).or_else(|| chain.judge(now).err());
        let status = match fault.as_ref().map(|fault| fault.code) {
            None if expiry::ends(&chain, now).next().is_some() => State::EndsSoon,
            None => State::Good,
            Some(Code::Revoked) => State::Revoked,
            Some(Code::CredentialNotYetValid) => State::NotYetValid,
            Some(_) => State::Ended,
        };
        Self {
            status,
            held: Some(held),
            code: fault.as_ref().map(|fault| fault.code),
            by: fault.as_ref().and_then(|fault| fault.credential),
            revocation: revoked.map(|revoked| revoked.by.id()),
            told: revoked.filter(|_| known.is_asked).map(|revoked| known.is_told(revoked.by.id())),
            why: fault.map(|fault| refusal_text(lang, &fault)),
            ..row
        }
    }

    /// State, name, who that is, what it may, how long.
    fn cells(&self, screen: &Screen) -> [String; 5] {
        let lang = screen.lang;
        let state = match self.status {
            State::Good => lang.state_good(),
            State::EndsSoon => lang.state_ends_soon(),
            State::NotYetValid => lang.state_not_yet(),
            State::Ended => lang.state_ended(),
            State::Revoked => lang.state_revoked(),
            State::Unusable => lang.unusable(),
        };
        let name = escape(&self.identity);
        let Some(held) = &self.held else {
            return [state, name, self.why.clone().unwrap_or_default(), String::new(), String::new()];
        };
        let who = format!("{} ({})", escape(&held.title), held.org);
        let left = lang.list_days(held.days_left, time::date(held.expires));
        [state, name, who, left, grant_list(&held.grants)]
    }

    const fn tone(&self) -> Tone {
        match self.status {
            State::Good => Tone::Good,
            State::EndsSoon | State::NotYetValid => Tone::Caution,
            State::Ended | State::Revoked | State::Unusable => Tone::Bad,
        }
    }
}

/// A table with its heading, each column as wide as its widest cell.
fn show(screen: &Screen, rows: &[Row]) -> Outcome {
    if screen.json {
        return rows.iter().try_for_each(|row| screen.object(row));
    }
    let lang = screen.lang;
    let head = [lang.list_state(), lang.list_name(), lang.list_who(), lang.list_left(), lang.list_grants()];
    let cells: Vec<[String; 5]> = rows.iter().map(|row| row.cells(screen)).collect();
    let width = |column: usize| {
        let all = cells.iter().filter(|row| column < 2 || !row[3].is_empty()).map(|row| &row[column]);
        all.chain([&head[column]]).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |cells: &[String; 5], tone: Option<Tone>| {
        let pad = |column: usize| format!("{:width$}", cells[column], width = widths[column]);
        let state = tone.map_or_else(|| pad(0), |tone| screen.paint(tone, &pad(0)));
        format!("{state}  {}  {}  {}  {}", pad(1), pad(2), pad(3), cells[4]).trim_end().to_owned()
    };
    screen.line(&line(&head, None))?;
    for (row, cells) in rows.iter().zip(&cells) {
        screen.line(&line(cells, Some(row.tone())))?;
        if let (Some(why), true) = (&row.why, row.held.is_some()) {
            screen.line(&format!("   {why}"))?;
        }
        for former in &row.former {
            screen.line(&format!("   {}", former_line(screen, former)))?;
        }
    }
    Ok(())
}

/// One former key in words, or a former chain of the present one.
pub(super) fn former_line(screen: &Screen, former: &Former) -> String {
    let from = time::date(former.not_before);
    if former.is_present_key {
        screen.lang.former_chain(former.number, from)
    } else {
        screen.lang.former_key(former.number, former.key, from)
    }
}

/// The former keys of one identity, below its chain.
pub(super) fn show_former(session: Session<'_>, name: &str, plane: Plane) -> Result<(), Failure> {
    let screen = session.screen.on(plane);
    for former in former::all(session, name, plane)? {
        if screen.json {
            screen.object(&serde_json::json!({
                "type": "former_key", "identity": name, "plane": plane, "number": former.number,
                "key": former.key, "credential": former.credential, "not_before": former.not_before,
                "expires": former.expires,
            }))?;
        } else {
            screen.line(&former_line(&screen, &former))?;
        }
    }
    Ok(())
}
