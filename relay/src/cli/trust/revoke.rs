//! `vigie trust revoke` and `send`: signs that a credential or key ends, keeps that on disk, sends it to every relay.
//!
//! Whoever signs it may be on a machine without a network: a file that holds it and its issuer's chain, anybody sends.

use std::sync::Arc;

use vigie_client::{
    Client, Exercise, Identity, Live, OnPlane, RelayUrl, RevocationsAt, RevokeError, RevokedAt,
};
use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::refusal::Refusal;
use vigie_proto::revocation::{self, InForce, Reason, Revocation, Statement, Target, VerifiedRevocation};
use vigie_proto::time::Timestamp;

use super::args::{TrustRevoke, TrustSend};
use super::carried;
use super::issuer;
use super::kept::Kept;
use super::target::Meant;
use crate::cli::channels;
use crate::cli::exit::{Exit, Failure, Outcome, refusal_text};
use crate::cli::files;
use crate::cli::screen::{Screen, Tone, escape};
use crate::cli::session::Session;
use crate::cli::time;

pub(super) fn revoke(session: Session<'_>, args: &TrustRevoke) -> Outcome {
    let plane = channels::plane(args.exercise);
    let screen = session.screen.on(plane);
    let session = Session { screen: &screen, ..session };
    let ended = match plane {
        Plane::Live => revoke_on::<Live>(session, args),
        Plane::Exercise => revoke_on::<Exercise>(session, args),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

pub(super) fn send(session: Session<'_>, args: &TrustSend) -> Outcome {
    let plane = channels::plane(args.exercise);
    let screen = session.screen.on(plane);
    let session = Session { screen: &screen, ..session };
    let ended = match plane {
        Plane::Live => send_on::<Live>(session, args),
        Plane::Exercise => send_on::<Exercise>(session, args),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

fn revoke_on<P: OnPlane>(session: Session<'_>, args: &TrustRevoke) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let meant = Meant::find(session, args, P::PLANE)?;
    let by = issuer(session, args.authority.as_deref(), P::PLANE)?;
    let client = client_of::<P>(session, by.clone(), args.wait)?;
    let mut kept = Kept::open(session, by.chain().leaf().id())?;
    if args.offline || args.out.is_some() {
        let number = 1 + kept.last_number();
        let signed = sign(session, &client, &mut kept, &meant, args, number)?;
        if let Some(path) = &args.out {
            files::replace_public(lang, path, &carried::to_text(&signed))?;
            screen.say(&lang.revocation_written(path.display()));
        }
        screen.warn(&lang.revocation_not_sent());
        return Ok(());
    }
    let ended = end(session, &client, &mut kept, &meant, args);
    let is_lost = args.reason.is_none_or(|reason| reason == Reason::KeyCompromise);
    if let Some(name) = meant.name.as_ref().filter(|_| is_lost) {
        screen.say(&lang.revoked_next(escape(name)));
    }
    ended
}

/// What a revocation says besides whom it means.
pub(super) trait Why {
    fn from(&self) -> Timestamp;
    fn reason(&self) -> Option<Reason>;
}

impl Why for TrustRevoke {
    fn from(&self) -> Timestamp {
        self.from.at(time::now())
    }

    fn reason(&self) -> Option<Reason> {
        self.reason
    }
}

fn sign<P: OnPlane>(
    session: Session<'_>,
    client: &Client<P>,
    kept: &mut Kept,
    meant: &Meant,
    why: &impl Why,
    number: u64,
) -> Result<VerifiedRevocation, Failure> {
    let statement = Statement { target: meant.target, from: why.from(), number, reason: why.reason() };
    let verified = client.sign_revocation(&statement);
    let verified = verified.map_err(|refusal| Failure::refused(session.screen.lang, &refusal))?;
    let signed = verified.revocation();
    judge_reach(session, meant, &client.config().identity, signed)?;
    kept.add(session, signed)?;
    tell(session, meant, signed)?;
    Ok(verified)
}

/// Signs, keeps and sends one, with those before it that a relay lacks.
pub(super) fn end<P: OnPlane>(
    session: Session<'_>,
    client: &Client<P>,
    kept: &mut Kept,
    meant: &Meant,
    why: &impl Why,
) -> Outcome {
    let known = session.block_on(async { Ok(client.revocations().await) })?;
    let number = 1 + last_number(&known, &client.config().identity).max(kept.last_number());
    let verified = sign(session, client, kept, meant, why, number)?;
    let signed = verified.revocation();
    let list = verify_all(session, &lacking(kept, &known, Some(signed)), client.config().identity.chain())?;
    send_all(session, client, &list, Some(signed), &known)
}

fn send_on<P: OnPlane>(session: Session<'_>, args: &TrustSend) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let by = issuer(session, args.authority.as_deref(), P::PLANE)?;
    let own = by.chain().leaf().id();
    let client = client_of::<P>(session, by.clone(), args.wait)?;
    let mut kept = Kept::open(session, own)?;
    let mut others = Vec::new();
    if let Some(path) = &args.file {
        for one in carried::read(session, path)? {
            if one.revocation().issuer() == own {
                kept.add(session, one.revocation())?;
            } else {
                others.push(one);
            }
        }
    }
    // Who has signed nothing here, and only carries, need not know what the relays have.
    let known = if kept.all().is_empty() && !others.is_empty() {
        Vec::new()
    } else {
        session.block_on(async { Ok(client.revocations().await) })?
    };
    // One's own first: what is carried for others may end whoever carries it.
    let mut list = verify_all(session, &lacking(&kept, &known, None), by.chain())?;
    list.extend(others);
    if list.is_empty() {
        screen.say(&lang.revocations_all_there(kept.all().len()));
        return Ok(());
    }
    send_all(session, &client, &list, None, &known)
}

/// What was signed under this chain.
fn verify_all(
    session: Session<'_>,
    list: &[Revocation],
    chain: &Arc<Chain>,
) -> Result<Vec<VerifiedRevocation>, Failure> {
    let verified: Result<_, _> = list.iter().map(|one| revocation::verify(one.token(), chain)).collect();
    verified.map_err(|refusal| Failure::refused(session.screen.lang, &refusal))
}

/// Sends all of them to every relay, and tells what each said.
fn send_all<P: OnPlane>(
    session: Session<'_>,
    client: &Client<P>,
    list: &[VerifiedRevocation],
    new: Option<&Revocation>,
    known: &[RevocationsAt],
) -> Outcome {
    let outcome = session.block_on(async { Ok(client.revoke(list).await) })?;
    tell_answers(session, list, &outcome, new, known)
}

/// A client of the context's relays under any identity.
pub(super) fn client_of<P: OnPlane>(
    session: Session<'_>,
    identity: Identity,
    deadline: std::time::Duration,
) -> Result<Client<P>, Failure> {
    let mut config = session.context()?.client_config(identity);
    config.deadline = deadline;
    Client::new(config).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))
}

fn last_number(known: &[RevocationsAt], by: &Identity) -> u64 {
    let given = known.iter().filter_map(|at| at.given.as_ref().ok()).flatten();
    let own = given.map(|one| one.verified.revocation()).filter(|one| one.issuer() == by.chain().leaf().id());
    own.map(|one| one.statement().number).max().unwrap_or_default()
}

/// What was signed here and is not known to be at every relay, and the new one.
fn lacking(kept: &Kept, known: &[RevocationsAt], new: Option<&Revocation>) -> Vec<Revocation> {
    // A relay that does not tell is given all; that it lacks them is not said of it.
    let has = |at: &RevocationsAt, one: &Revocation| {
        at.given.as_ref().is_ok_and(|given| given.iter().any(|it| it.verified.revocation().id() == one.id()))
    };
    let is_new = |one: &Revocation| new.is_some_and(|new| new.id() == one.id());
    let lacks = |one: &&Revocation| is_new(one) || known.iter().any(|at| !has(at, one));
    kept.all().iter().filter(lacks).cloned().collect()
}

/// Refuses what would meet nothing, where the chain of the target is known here.
fn judge_reach(session: Session<'_>, meant: &Meant, by: &Identity, signed: &Revocation) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let Some(chain) = &meant.chain else {
        screen.warn(&lang.target_chain_unknown());
        return Ok(());
    };
    if InForce::new(Arc::new(signed.clone()), by.chain().links()).meets(chain).is_some() {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, lang.cannot_revoke(who(by.chain()), able(chain, meant))))
}

fn who(chain: &Chain) -> String {
    let claims = chain.leaf().claims();
    format!("{} ({})", escape(&claims.name), claims.org)
}

/// Those above the target, and itself.
fn able(chain: &Chain, meant: &Meant) -> String {
    let target = meant.link().map(|link| link.id());
    let mut names = Vec::new();
    for link in chain.links() {
        names.push(format!("{} ({})", escape(&link.claims().name), link.claims().org));
        if Some(link.id()) == target {
            break;
        }
    }
    names.join(", ")
}

/// What ends, for whom, since when.
fn tell(session: Session<'_>, meant: &Meant, signed: &Revocation) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let statement = signed.statement();
    if screen.json {
        let target = match statement.target {
            Target::Credential(id) => serde_json::json!({ "credential": id }),
            Target::Key(key) => serde_json::json!({ "key": key }),
        };
        return screen.object(&serde_json::json!({
            "type": "revocation", "id": signed.id(), "plane": signed.plane(), "issuer": signed.issuer(),
            "target": target, "from": statement.from, "number": statement.number, "reason": statement.reason,
            "jws": **signed.token(),
        }));
    }
    let what = match statement.target {
        Target::Credential(id) => lang.ends_credential(id),
        Target::Key(key) => lang.ends_key(key),
    };
    let holder = meant.link().map_or_else(
        || lang.holder_unknown(),
        |link| format!("{} ({})", escape(&link.claims().name), link.claims().org),
    );
    screen.line(&lang.revocation_says(what, holder, time::date(statement.from), signed.id()))
}

/// Tells what each relay said, and ends the command by it. `known` is what the relays told before of what they have: where
/// one did not, what is not new may be in force there.
fn tell_answers(
    session: Session<'_>,
    sent: &[VerifiedRevocation],
    outcome: &[RevokedAt],
    new: Option<&Revocation>,
    known: &[RevocationsAt],
) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let (mut done, mut refused, mut open) = (0_usize, 0_usize, 0_usize);
    for at in outcome {
        let untold = known.iter().any(|known| known.relay == at.relay && known.given.is_err());
        for (one, answer) in sent.iter().map(VerifiedRevocation::revocation).zip(&at.answers) {
            // What was signed before is told only where it changes something.
            let is_new = new.is_none_or(|new| new.id() == one.id());
            match answer {
                Ok(receipt) => {
                    done += usize::from(is_new);
                    if screen.json {
                        screen.object(&serde_json::json!({
                            "type": "revoked", "relay": at.relay.to_string(), "revocation": one.id(),
                            "log": receipt.log, "admitted": receipt.admitted,
                        }))?;
                    } else if is_new {
                        let word = screen.paint(Tone::Good, &lang.revoked_word());
                        let told = lang.revoked_at(&at.relay, time::local(receipt.admitted), one.id());
                        screen.line(&format!("{word}  {told}"))?;
                    }
                }
                Err(error) => {
                    match error {
                        RevokeError::Refused(_) if is_new => refused += 1,
                        RevokeError::Refused(_) => {}
                        RevokeError::NotSent(_) | RevokeError::Unknown(_) | _ => open += 1,
                    }
                    let may_hold = untold && new.is_none_or(|new| new.id() != one.id());
                    tell_failure(screen, at, one, error, may_hold)?;
                }
            }
        }
    }
    for (relay, refusal) in shut_out(known) {
        screen.warn(&lang.revoker_shut_out(relay, refusal_text(lang, refusal)));
    }
    match (done, refused, open) {
        (_, 0, 0) => {
            screen.say(&lang.revoked_everywhere());
            Ok(())
        }
        (0, 0, _) => Err(Failure::new(Exit::Unreachable, lang.revoked_nowhere())),
        (0, _, 0) => Err(Failure::quiet(Exit::Refused)),
        (_, _, _) => Err(Failure::new(Exit::Partial, lang.revoked_in_part())),
    }
}

/// The relays that do not let this identity in, and why: they judged nothing of what it signed.
fn shut_out(known: &[RevocationsAt]) -> impl Iterator<Item = (&RelayUrl, &Refusal)> {
    known.iter().filter_map(|at| match &at.given {
        Err(RevokeError::Refused(refusal)) => Some((&at.relay, refusal)),
        Ok(_) | Err(_) => None,
    })
}

/// `may_hold`: it was signed before, and this relay did not tell whether it has it.
fn tell_failure(
    screen: &Screen,
    at: &RevokedAt,
    one: &Revocation,
    error: &RevokeError,
    may_hold: bool,
) -> Outcome {
    let lang = screen.lang;
    let (fate, code, why) = match error {
        RevokeError::Refused(refusal) => ("refused", Some(refusal.code), refusal_text(lang, refusal)),
        RevokeError::NotSent(link) => ("not_sent", None, escape(&lang.link_error(link))),
        RevokeError::Unknown(link) => ("unknown", None, escape(&lang.link_error(link))),
        other => ("unknown", None, escape(&other.to_string())),
    };
    let fate = if may_hold { "unknown" } else { fate };
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "not_revoked", "relay": at.relay.to_string(), "revocation": one.id(), "fate": fate,
            "code": code, "why": why,
        }));
    }
    let (word, why) = match (may_hold, fate) {
        (true, _) => {
            (screen.paint(Tone::Caution, &lang.maybe_revoked_word()), lang.revocation_not_asked(why))
        }
        (false, "unknown") => {
            (screen.paint(Tone::Bad, &lang.not_revoked_word()), lang.revocation_fate_unknown(why))
        }
        (false, _) => (screen.paint(Tone::Bad, &lang.not_revoked_word()), why),
    };
    screen.line(&format!("{word}  {}  {}: {why}", at.relay, one.id()))
}
