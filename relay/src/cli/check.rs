//! `vigie check`: a plug-in for monitoring: connects, logs in, measures. Exit codes of that convention: 0 good,
//! 1 warning, 2 critical, 3 unknown.

use std::time::{Duration, Instant};

use vigie_client::{ClientConfig, EndReason, Exercise, LinkState, Live, OnPlane, Subscription};
use vigie_proto::certificate::validity;
use vigie_proto::channel::{Channel, Filter, Flow, Plane};
use vigie_proto::frame::Start;
use vigie_proto::time::Timestamp;

use super::args::{CheckCommand, CheckRelay};
use super::channels;
use super::exit::{Failure, Outcome, refusal_text};
use super::screen::{Screen, escape};
use super::session::Session;
use super::text::Lang;
use super::{ends, time, upkeep};
use crate::health::expiry::{Notice, Validity};

const WARNING: u8 = 1;
const CRITICAL: u8 = 2;
const UNKNOWN: u8 = 3;

pub(super) fn run(session: Session<'_>, command: &CheckCommand) -> Outcome {
    let CheckCommand::Relay(args) = command;
    let checked = match channels::plane(args.exercise) {
        Plane::Live => relay::<Live>(session, args),
        Plane::Exercise => relay::<Exercise>(session, args),
    };
    match checked {
        Ok((state, told)) => report(session.screen, state, &told, args),
        // What keeps us from looking says nothing about the relay.
        Err(failure) => report(session.screen, State::Unknown, &Told::why(failure.text().to_owned()), args),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Good,
    Warning,
    Critical,
    Unknown,
}

struct Told {
    text: String,
    took: Option<Duration>,
    /// When the relay's certificate, our credential and the certificate that we show end.
    ends: [Option<Timestamp>; 3],
}

impl Told {
    const fn why(text: String) -> Self {
        Self { text, took: None, ends: [None; 3] }
    }
}

fn relay<P: OnPlane>(session: Session<'_>, args: &CheckRelay) -> Result<(State, Told), Failure> {
    let lang = session.screen.lang;
    // What ends soon is told in the one line that is asked for.
    let client = session.client_untold::<P>(Some(args.crit))?;
    let leaf = client.config().identity.chain().leaf();
    // Any place will do: what is measured ends when the relay has let us in.
    let (flow, at) = leaf
        .claims()
        .grants
        .first()
        .map_or_else(|| (Flow::Alert, leaf.claims().org.clone()), |grant| (grant.flow, grant.at.clone()));
    let filter = Filter { channel: Channel { plane: P::PLANE, flow, at }, subtree: false };
    session.block_on(async {
        let began = Instant::now();
        let subscription = client.subscribe(vec![filter], Start::Here);
        let outcome = tokio::time::timeout(args.crit, logged_in(&subscription)).await;
        let took = began.elapsed();
        Ok(match outcome {
            Ok(Ok(())) => {
                let state = if took >= args.warn { State::Warning } else { State::Good };
                let told =
                    Told { text: lang.check_logged_in(took.as_millis()), took: Some(took), ends: [None; 3] };
                with_ends(lang, client.config(), state, told).await
            }
            Ok(Err(reason)) => (State::Critical, Told::why(refusal_text(lang, reason.refusal()))),
            Err(_) => {
                let why = problem(&subscription).map_or_else(String::new, |why| format!(" ({why})"));
                (State::Critical, Told::why(format!("{}{why}", lang.check_timed_out())))
            }
        })
    })
}

/// Looks when the relay's certificate, our own credential and what we show in mutual TLS end: what ends soon is a warning, what ends within a day
/// is critical. A certificate that cannot be had now is not judged: the log-in was good.
async fn with_ends(lang: Lang, config: &ClientConfig, state: State, mut told: Told) -> (State, Told) {
    let certificate = match config.relays.first() {
        Some(relay) => config.tls_roots.certificate_of(relay).await.ok(),
        None => None,
    };
    let shown = certificate.and_then(|der| validity(&der)).map(|valid| Validity::of(valid, time::now()));
    let ours = config.tls_roots.client_certificates_valid().map(|valid| valid.until);
    told.ends = [shown.map(|shown| shown.ends), Some(config.identity.chain().window().until), ours];
    let of_certificate = shown
        .and_then(|valid| Some((upkeep::said_of_end(lang, lang.the_certificate(), valid)?, valid.notice)));
    let mut worst = state;
    let of_ours = ends::near_certificates(lang, &config.tls_roots);
    let near = ends::near(lang, config.identity.chain());
    for (said, notice) in of_certificate.into_iter().chain(near).chain(of_ours) {
        told.text = format!("{}{}{said}", told.text, lang.semicolon());
        let urgent = notice >= Notice::Day;
        worst = worst.max(if urgent { State::Critical } else { State::Warning });
    }
    (worst, told)
}

/// Waits until the relay has let us in. That it then refuses the channel is no fault of the relay.
async fn logged_in<P: OnPlane>(subscription: &Subscription<P>) -> Result<(), EndReason> {
    let mut states = subscription.states();
    loop {
        match states.now() {
            LinkState::Up => return Ok(()),
            LinkState::Closed { .. } => {
                return match subscription.end_reason() {
                    Some(reason @ EndReason::ShutOut(_)) => Err(reason.clone()),
                    Some(_) | None => Ok(()),
                };
            }
            LinkState::Idle | LinkState::Connecting { .. } | LinkState::Stale | _ => {}
        }
        if states.next().await.is_none() && !matches!(states.now(), LinkState::Up | LinkState::Closed { .. })
        {
            // Nothing will change any more: let the time run out.
            std::future::pending::<()>().await;
        }
    }
}

/// Why there was no line, in the SDK's words.
fn problem<P: OnPlane>(subscription: &Subscription<P>) -> Option<String> {
    match subscription.state() {
        LinkState::Connecting { problem: Some(problem), .. } => Some(escape(&problem)),
        LinkState::Idle
        | LinkState::Connecting { problem: None, .. }
        | LinkState::Up
        | LinkState::Stale
        | LinkState::Closed { .. }
        | _ => None,
    }
}

fn report(screen: &Screen, state: State, told: &Told, args: &CheckRelay) -> Outcome {
    let (word, code) = match state {
        State::Good => ("OK", 0),
        State::Warning => ("WARNING", WARNING),
        State::Critical => ("CRITICAL", CRITICAL),
        State::Unknown => ("UNKNOWN", UNKNOWN),
    };
    let seconds = told.took.map(|took| took.as_secs_f64());
    if screen.json {
        screen.object(&serde_json::json!({
            "type": "check", "state": word, "text": told.text,
            "login_ms": told.took.map(|took| took.as_millis()),
            "certificate_ends": told.ends[0], "credential_ends": told.ends[1],
            "client_certificate_ends": told.ends[2],
        }))?;
    } else {
        let measured = seconds.map_or_else(String::new, |seconds| {
            format!(" | login={seconds:.3}s;{:.3};{:.3}", args.warn.as_secs_f64(), args.crit.as_secs_f64())
        });
        screen.line(&format!("{word} {}{measured}", told.text))?;
    }
    if code == 0 { Ok(()) } else { Err(Failure::monitoring(code)) }
}
