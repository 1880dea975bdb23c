//! `vigie trust explain`: which credential allows something and which rule refuses it; and who may hear a message.
//!
//! Offline every link and every rule is looked at, by [`vigie_proto::explain`]. With `--relay` the relay itself judges: the
//! identity logs in and subscribes, and its refusal is told. Of a message in a journal on this machine it is told which of
//! the credentials known there and in this context may hear it, and what keeps the others out. With `--door` the relay that
//! runs on that journal answers both, by what it trusts and knows (`door.rs`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use vigie_client::{EndReason, Exercise, Live, OnPlane, Subscription};
use vigie_proto::chain::Chain;
use vigie_proto::channel::{Channel, Filter, Plane};
use vigie_proto::explain::{self, Finding, Rule};
use vigie_proto::frame::Start;
use vigie_proto::hear::Said;
use vigie_proto::id::{CredentialId, MessageId};
use vigie_proto::label::{Label, Tlp};
use vigie_proto::refusal::Refusal;
use vigie_proto::revocation::{InForce, Revocations};
use vigie_proto::severity::Severity;
use vigie_proto::verify::VerifiedMessage;

use super::args::TrustExplain;
use super::door;
use super::revoke::client_of;
use crate::cli::channels;
use crate::cli::exit::{Exit, Failure, Outcome, refusal_text};
use crate::cli::init::PLANES;
use crate::cli::judge::Judge;
use crate::cli::screen::{Screen, Tone, escape};
use crate::cli::session::Session;
use crate::cli::{files, identity, journal, time};
use crate::door::Hearer;
use crate::journal::{MessageRecord, Record};

pub(super) fn run(session: Session<'_>, args: &TrustExplain) -> Outcome {
    let plane = channels::plane(args.exercise);
    let screen = session.screen.on(plane);
    let on_plane = Session { screen: &screen, ..session };
    let ended = match (&args.channel, args.target.parse::<MessageId>()) {
        (Some(channel), _) => match plane {
            Plane::Live => who::<Live>(on_plane, args, channel),
            Plane::Exercise => who::<Exercise>(on_plane, args, channel),
        },
        // The message says of which plane it is.
        (None, Ok(id)) if args.door => return door::message(session, args, id),
        (None, Ok(id)) => return message(session, args, id),
        (None, Err(_)) => Err(Failure::new(Exit::Usage, screen.lang.explain_what())),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

/// What is asked of an identity.
pub(super) struct Question {
    pub(super) filter: Filter,
    pub(super) publish: Option<Severity>,
    /// Hearing a message so grave and so labelled, addressed to the channel.
    pub(super) hear: Option<(Severity, Label)>,
}

fn who<P: OnPlane>(session: Session<'_>, args: &TrustExplain, channel: &str) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let filter = match args.publish.or(args.hear) {
        Some(_) => Filter { channel: channels::channel(lang, channel, P::PLANE)?, subtree: false },
        None => channels::filter(lang, channel, P::PLANE)?,
    };
    let label = Label::new(args.label.unwrap_or(Tlp::Clear), args.audience.iter().cloned());
    let label = label.map_err(|fault| Failure::new(Exit::Usage, lang.label_fault(fault)))?;
    let question = Question { filter, publish: args.publish, hear: args.hear.map(|hear| (hear, label)) };
    let is_file = Path::new(&args.target).is_file();
    let path = match is_file {
        true => Path::new(&args.target).to_path_buf(),
        false => identity::file(session, &args.target, P::PLANE, "chain")?,
    };
    if !path.is_file() {
        // For the failure with its suggestion.
        session
            .context()?
            .identity(&args.target, P::PLANE)
            .map_err(|error| session.context_failed(&error))?;
    }
    let tokens = files::read_chain(lang, &path)?;
    if args.door {
        return door::who(session, args, &question, tokens);
    }
    let mut known = args.sources.of_journal(session)?;
    let links: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let (chain, mut findings) = explain::chain(&links, session.context()?.roots());
    if let Ok(chain) = &chain {
        known.add_kept(session, std::iter::once(chain))?;
        let (now, revocations) = (time::now(), &known.revocations);
        let channel = &question.filter.channel;
        findings.extend(match (question.publish, &question.hear) {
            (Some(severity), _) => explain::publish(chain, channel, severity, now, revocations),
            (None, Some((severity, label))) => {
                let said = Said { channel, severity: *severity, audience: label.audience() };
                explain::hear(chain, said, now, revocations)
            }
            (None, None) => explain::subscribe(chain, &question.filter, now, revocations),
        });
    }
    let names = names(&links);
    for finding in &findings {
        show_finding(screen, finding, &names)?;
    }
    let refused = explain::first(&findings).cloned();
    show_verdict(screen, &question, refused.as_ref())?;
    if !known.is_asked && !args.sources.relay {
        screen.say(&lang.explain_nobody_asked());
    }
    let there = match (args.sources.relay, is_file) {
        (false, _) => None,
        (true, true) => return Err(Failure::new(Exit::Usage, lang.explain_needs_key())),
        (true, false) => at_relay::<P>(session, args, &question)?,
    };
    match refused.or(there) {
        None => Ok(()),
        // All was said already.
        Some(_) => Err(Failure::quiet(Exit::Refused)),
    }
}

/// Name and organisation by credential, for those that can be read.
pub(super) fn names(tokens: &[&str]) -> BTreeMap<CredentialId, String> {
    let links = tokens.iter().filter_map(|token| vigie_proto::credential::Credential::parse(token).ok());
    links
        .map(|link| (link.id(), format!("{} ({})", escape(&link.claims().name), link.claims().org)))
        .collect()
}

pub(super) fn show_finding(
    screen: &Screen,
    finding: &Finding,
    names: &BTreeMap<CredentialId, String>,
) -> Outcome {
    let lang = screen.lang;
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "rule", "rule": finding.rule, "credential": finding.link, "holds": finding.refusal.is_none(),
            "code": finding.refusal.as_ref().map(|refusal| refusal.code),
            "detail": finding.refusal.as_ref().map(|refusal| &refusal.detail),
        }));
    }
    let link =
        finding.link.and_then(|link| names.get(&link)).cloned().unwrap_or_else(|| lang.no_credential());
    let rule = lang.rule(finding.rule);
    match &finding.refusal {
        None => {
            let word = screen.paint(Tone::Good, &lang.rule_holds());
            screen.line(&format!("{word}  {}", lang.rule_of(link, rule)))
        }
        Some(refusal) => {
            let word = screen.paint(Tone::Bad, &lang.rule_refuses());
            screen.line(&format!(
                "{word}  {} [{}]\n   {}",
                lang.rule_of(link, rule),
                finding.rule,
                refusal_text(lang, refusal)
            ))
        }
    }
}

pub(super) fn show_verdict(screen: &Screen, question: &Question, refused: Option<&Refusal>) -> Outcome {
    let lang = screen.lang;
    let channel = &question.filter;
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "explained", "channel": channel.to_string(), "publish": question.publish,
            "hear": question.hear.as_ref().map(|(severity, _)| severity),
            "allowed": refused.is_none(), "code": refused.map(|refusal| refusal.code),
            "credential": refused.and_then(|refusal| refusal.credential),
        }));
    }
    let asked = match (question.publish, &question.hear) {
        (Some(severity), _) => lang.may_publish(channel, lang.severity(severity)),
        (None, Some((severity, label))) => lang.would_hear(lang.severity(*severity), channel, label),
        (None, None) => lang.may_subscribe(channel),
    };
    let (tone, word) = match refused {
        None => (Tone::Good, lang.allowed()),
        Some(_) => (Tone::Bad, lang.not_allowed()),
    };
    let why = refused.map_or_else(String::new, |refusal| format!("  {}", refusal.code));
    screen.line(&format!("{}  {asked}{why}", screen.paint(tone, &word)))
}

/// Logs in as the identity and subscribes: the relay itself judges. Nothing is published. Returns its refusal.
fn at_relay<P: OnPlane>(
    session: Session<'_>,
    args: &TrustExplain,
    question: &Question,
) -> Result<Option<Refusal>, Failure> {
    let (screen, lang) = (session.screen, session.screen.lang);
    let identity = session
        .context()?
        .identity(&args.target, P::PLANE)
        .map_err(|error| session.context_failed(&error))?;
    let client = client_of::<P>(session, identity, args.sources.wait)?;
    let told = session.block_on(async {
        let revocations = client.revocations().await;
        let subscription = client.subscribe(vec![question.filter.clone()], Start::Here);
        let judged = tokio::time::timeout(args.sources.wait, judged(subscription)).await;
        Ok((revocations, judged.ok()))
    })?;
    let (revocations, judged) = told;
    let mut known = Revocations::default();
    for at in &revocations {
        match &at.given {
            Ok(given) => given.iter().for_each(|one| known.insert(one.in_force())),
            Err(error) => {
                screen.warn(&lang.relay_told_nothing(&at.relay, super::known::why(screen, error)));
            }
        }
    }
    if let Some(revoked) = known.revoked(client.config().identity.chain()) {
        screen.warn(&refusal_text(lang, &revoked.refusal()));
    }
    let refusal = match judged {
        None => return Err(Failure::new(Exit::Unreachable, lang.explain_no_answer())),
        Some(None) => None,
        Some(Some(reason)) => Some((matches!(reason, EndReason::ShutOut(_)), reason.refusal().clone())),
    };
    // Who only publishes there may not subscribe: that says nothing against publishing.
    let only_hearing =
        question.publish.is_some() && refusal.as_ref().is_some_and(|(is_shut_out, _)| !is_shut_out);
    let refusal = refusal.filter(|_| !only_hearing).map(|(_, refusal)| refusal);
    if screen.json {
        screen.object(&serde_json::json!({
            "type": "relay_says", "lets_in": refusal.is_none(), "revocations": known.len(),
            "code": refusal.as_ref().map(|refusal| refusal.code),
            "credential": refusal.as_ref().and_then(|refusal| refusal.credential),
            "detail": refusal.as_ref().map(|refusal| &refusal.detail),
        }))?;
    } else {
        let told = match (&refusal, question.publish) {
            (None, Some(_)) => lang.relay_lets_in(known.len()),
            (None, None) => lang.relay_subscribes(known.len()),
            (Some(refusal), _) => lang.relay_refuses(refusal_text(lang, refusal)),
        };
        screen.line(&told)?;
    }
    Ok(refusal)
}

/// Waits until the relay has taken the subscription, or why it has not.
async fn judged<P: OnPlane>(mut subscription: Subscription<P>) -> Option<EndReason> {
    // It is caught up at once, since it begins here; what comes in between says that it is taken as well.
    match subscription.next().await {
        Some(_) => None,
        None => subscription.end_reason().cloned(),
    }
}

/// Who of those known in a journal and in this context may hear a message of it.
fn message(session: Session<'_>, args: &TrustExplain, id: MessageId) -> Outcome {
    let lang = session.screen.lang;
    let (dir, config) =
        args.sources.journal_of().ok_or_else(|| Failure::new(Exit::Usage, lang.explain_which_journal()))?;
    let mut judge = Judge::new(session.context()?.roots().clone());
    let (mut found, mut revoked): (Option<MessageRecord>, Vec<_>) = (None, Vec::new());
    journal::walk(session.screen, dir, config, &mut |record| {
        match record {
            // What is wrong with one is told where it is needed.
            Record::Credential { id, jws } => drop(judge.credential(*id, jws)),
            Record::Revocation(one) => revoked.push(one.clone()),
            Record::Message(one) if one.id == id => found = Some(one.clone()),
            Record::Message(_) | Record::Carried(_) | Record::Forked(_) => {}
        }
        Ok(())
    })?;
    let record = found.ok_or_else(|| Failure::new(Exit::Usage, lang.explain_no_message(id)))?;
    let signed = judge
        .message(&record.jws)
        .map_err(|unfit| Failure::new(Exit::VerificationFailed, refusal_text(lang, &unfit.into())))?;
    let mut revocations = Revocations::default();
    for one in &revoked {
        match judge.revocation(one) {
            Ok(verified) => revocations.insert(InForce::from(&verified)),
            Err(unfit) => {
                let why = refusal_text(lang, &unfit.into());
                session.screen.warn(&lang.revocation_unfit(one.id, why));
            }
        }
    }
    let chains = known_chains(session, &mut judge)?;
    let screen = session.screen.on(signed.message().channel.plane);
    show_message(&screen, &record, &signed)?;
    let mut hearers: Vec<Hearer> =
        chains.values().map(|chain| hearer(chain, &signed, &revocations)).collect();
    // Those who hear it first; within, by organisation.
    hearers.sort_by(|one, other| {
        (!one.hears, &one.org, one.credential).cmp(&(!other.hears, &other.org, other.credential))
    });
    hearers.iter().try_for_each(|one| show_hearer(&screen, one))
}

/// Those of the journal and of this context, each once.
fn known_chains(
    session: Session<'_>,
    judge: &mut Judge,
) -> Result<BTreeMap<CredentialId, Arc<Chain>>, Failure> {
    let context = session.context()?;
    let mut chains = BTreeMap::new();
    for id in judge.given() {
        // One that does not verify hears nothing, and is no credential of anybody.
        if let Ok(chain) = judge.chain(id) {
            chains.insert(id, chain);
        }
    }
    for name in context.identities().map_err(|error| session.context_failed(&error))? {
        for plane in PLANES {
            if let Ok(identity) = context.identity(&name, plane) {
                chains.insert(identity.chain().leaf().id(), Arc::clone(identity.chain()));
            }
        }
    }
    Ok(chains)
}

fn hearer(chain: &Chain, signed: &VerifiedMessage, revocations: &Revocations) -> Hearer {
    let findings = explain::hear(chain, Said::from(signed.message()), time::now(), revocations);
    let leaf = chain.leaf();
    let claims = leaf.claims();
    Hearer::new(leaf.id(), claims.org.to_string(), claims.name.clone(), findings)
}

fn show_message(screen: &Screen, record: &MessageRecord, signed: &VerifiedMessage) -> Outcome {
    let (lang, message) = (screen.lang, signed.message());
    let channel: &Channel = &message.channel;
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "explained_message", "id": record.id, "seq": record.seq, "channel": channel,
            "severity": message.severity, "label": message.label.to_string(), "author": signed.credential(),
        }));
    }
    let label = message.label.to_string();
    screen.line(&lang.explained_message(
        channel,
        lang.severity(message.severity),
        label,
        record.id,
        record.seq,
    ))
}

pub(super) fn show_hearer(screen: &Screen, one: &Hearer) -> Outcome {
    if screen.json {
        let mut told = serde_json::to_value(one).unwrap_or_default();
        told["type"] = "hearer".into();
        return screen.object(&told);
    }
    let lang = screen.lang;
    let (tone, word) = match one.hears {
        true => (Tone::Good, lang.may_hear()),
        false => (Tone::Bad, lang.may_not_hear()),
    };
    let why = match (one.rule, one.code) {
        (Some(rule), Some(code)) => format!("  {} [{rule}] {code}", lang.rule_not_met(lang.rule(rule))),
        _ => String::new(),
    };
    let word = screen.paint(tone, &word);
    screen.line(&format!("{word}  {} ({})  {}{why}", escape(&one.title), escape(&one.org), one.credential))
}

impl crate::cli::text::Lang {
    /// What a rule asks, for people.
    fn rule(self, rule: Rule) -> String {
        match rule {
            Rule::Form => self.rule_form(),
            Rule::Parent => self.rule_parent(),
            Rule::Key => self.rule_key(),
            Rule::Signature => self.rule_signature(),
            Rule::Attenuation => self.rule_attenuation(),
            Rule::Root => self.rule_root(),
            Rule::Time => self.rule_time(),
            Rule::Revocation => self.rule_revocation(),
            Rule::Role => self.rule_role(),
            Rule::Plane => self.rule_plane(),
            Rule::Grant => self.rule_grant(),
            Rule::Audience => self.rule_audience(),
            other => other.to_string(),
        }
    }
}
