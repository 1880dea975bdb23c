//! A dispatch console in French: hears a territory, goes on where it stopped, says when it is out of contact, and leads
//! one incident from its alert to the all-clear.
//!
//! `dispatch_console --context DIR --as town [--exercise] [--incident] [--count N] fr.idf.75.paris`
//!
//! `--incident` publishes an alert, its update and its cancel, each once the one before was heard, and tries an alert for
//! the nation to show a refusal; it ends with the cancel. `--count` ends after so many messages. Without either it runs
//! until it is stopped. What a screen and an exercise screen show is one text for two types: no line of one is the other.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::VecDeque;
use std::error::Error;

use vigie_client::proto::cap::{MsgType, Urgency};
use vigie_client::proto::channel::{Channel, Plane};
use vigie_client::proto::frame::Start;
use vigie_client::proto::id::MessageId;
use vigie_client::proto::refusal::Refusal;
use vigie_client::proto::severity::Severity;
use vigie_client::proto::verify::takes_effect_on;
use vigie_client::{
    Client, Context, CursorStore, Delivery, Draft, Exercise, LinkError, LinkState, Live, OnPlane,
    PublishError, SignedMessage, Verified,
};

type Failure = Box<dyn Error>;

/// The messages that a screen keeps to say what later ones do to them; the rest is in the log.
const SHOWN_MAX: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| args.iter().position(|arg| arg == name).map(|at| args.remove(at)).is_some();
    let (exercise, incident) = (flag("--exercise"), flag("--incident"));
    let mut option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.drain(at..args.len().min(at + 2)).nth(1)
    };
    let (context, name) = (option("--context").ok_or("--context DIR")?, option("--as").ok_or("--as NAME")?);
    let count = option("--count").map_or(Ok(usize::MAX), |count| count.parse())?;
    let place = args.pop().ok_or("PLACE, such as fr.idf.75.paris")?;
    let options = Options { context, name, place, incident, count };
    if exercise { console::<Exercise>(&options).await } else { console::<Live>(&options).await }
}

struct Options {
    context: String,
    name: String,
    place: String,
    incident: bool,
    count: usize,
}

async fn console<P: OnPlane>(options: &Options) -> Result<(), Failure> {
    let client = Context::open(&options.context)?.client::<P>(&options.name)?;
    // A folder of this console alone: one durable subscription of a name at a time.
    let cursors = CursorStore::open(format!("{}/console-cursors", options.context))?;
    let (alerts, signals) = (on::<P>("alert", &options.place), on::<P>("signal", &options.place));
    let filters = vec![alerts.parse()?, signals.parse()?];
    // The first start of all begins with what the log still has; every other one behind the last commit.
    let mut heard = client.subscribe_durable("console", filters, Start::Beginning, &cursors)?;
    let mut line = heard.states();
    let mut screen = Screen { shown: VecDeque::new() };
    let channel = alerts.parse()?;
    let mut incident = options.incident.then_some(Incident { channel, step: 0, awaited: None });
    if options.incident {
        // What the credential does not grant is refused here already: nothing is sent.
        let nation = on::<P>("alert", "fr").parse()?;
        let beyond = Draft::line(nation, Severity::Severe, "Tous aux abris", "fr-FR", Urgency::Immediate);
        if let Err(error) = client.sign(beyond) {
            tell_failure::<P>(&error);
        }
    }
    let mut left = options.count;

    loop {
        let delivery = tokio::select! {
            delivery = heard.next() => delivery,
            Some(state) = line.next() => {
                tell_line::<P>(&state);
                continue;
            }
        };
        match delivery {
            Some(Delivery::Message(message)) => {
                screen.show(&message);
                // Committed once it was shown: after a crash it comes again rather than never.
                heard.commit(&message.cursor()).await?;
                if let Some(incident) = &mut incident
                    && incident.goes_on(&client, Some(&message))?
                {
                    return Ok(());
                }
                left = left.saturating_sub(1);
            }
            Some(Delivery::CaughtUp(cursor)) => {
                say::<P>("À JOUR : ce qui suit est en direct");
                heard.commit(&cursor).await?;
                if let Some(incident) = &mut incident {
                    incident.goes_on(&client, None)?;
                }
            }
            Some(Delivery::Disowned(message)) => {
                say::<P>(&format!("DÉSAVOUÉ : n'en tenez plus compte  [{}]", message.id));
                screen.shown.retain(|shown| shown.id() != message.id);
                heard.commit(&message.cursor).await?;
            }
            Some(Delivery::Suspect(suspect)) => {
                say::<P>(&format!("NON VÉRIFIÉ, à ne pas suivre : {}", suspect.code.french()));
            }
            Some(Delivery::Gap(gap)) => {
                say::<P>(&format!("LACUNE ({}) : appelez l'échelon au-dessus", gap.reason.as_str()));
            }
            Some(Delivery::Rotation(_)) => {
                say::<P>("RACINE : elle passe la main, prévenez votre administrateur")
            }
            Some(_) => {} // A kind that a later version may have.
            None => {
                let reason = heard.end_reason().ok_or("ended without a reason")?;
                tell_refusal::<P>(reason.refusal());
                return Err(reason.clone().into());
            }
        }
        if left == 0 {
            return Ok(());
        }
    }
}

/// What is on the screen, so that an update or a cancel changes what it may change and nothing else.
struct Screen<P: OnPlane> {
    /// The oldest first.
    shown: VecDeque<Verified<P>>,
}

impl<P: OnPlane> Screen<P> {
    fn show(&mut self, message: &Verified<P>) {
        let (said, author) = (message.message(), message.author());
        let headline = said.content.cap.headline("fr").unwrap_or_default();
        let late = if message.expired() { "  EXPIRÉ" } else { "" };
        // `{:?}` quotes and escapes: text of others may hold characters that steer a terminal.
        say::<P>(&format!(
            "{}  {}  {headline:?}{late}\n    par {:?} ({})  [{}]",
            severity(said.severity),
            said.channel,
            author.name,
            author.org,
            message.id(),
        ));
        for id in &said.replaces {
            let effect = match self.shown.iter().find(|shown| shown.id() == *id) {
                // Verified is who speaks, not that he may change what another said: that is asked here.
                Some(target) if takes_effect_on(message.signed(), target.signed()) => {
                    match said.content.cap.msg_type {
                        MsgType::Cancel => "ANNULE",
                        MsgType::Update | MsgType::Alert | MsgType::Ack | MsgType::Error => "MET À JOUR",
                    }
                }
                Some(_) => "NE CHANGE PAS, faute d'en avoir le droit,",
                None => "renvoie à ce qui n'est plus à l'écran :",
            };
            say::<P>(&format!("    {effect} [{id}]"));
        }
        if self.shown.len() >= SHOWN_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(message.clone());
    }
}

/// One incident, step by step: each message replaces the one before, once that one was heard.
struct Incident {
    channel: Channel,
    step: usize,
    awaited: Option<MessageId>,
}

impl Incident {
    const STEPS: [(Severity, Urgency, &str); 3] = [
        (
            Severity::Severe,
            Urgency::Immediate,
            "Feu d'entrepôt quai de la Gare : restez à l'abri, fenêtres closes",
        ),
        (
            Severity::Extreme,
            Urgency::Immediate,
            "Le nuage s'étend : évacuez le 13e arrondissement vers le sud",
        ),
        (Severity::Minor, Urgency::Past, "Fin d'alerte : le feu est éteint, l'air est sain"),
    ];

    /// Publishes the next step if `heard` is the one before; whether the incident is over.
    fn goes_on<P: OnPlane>(
        &mut self,
        client: &Client<P>,
        heard: Option<&Verified<P>>,
    ) -> Result<bool, Failure> {
        if self.awaited != heard.map(Verified::id) {
            return Ok(false);
        }
        let Some((severity, urgency, text)) = Self::STEPS.get(self.step) else { return Ok(true) };
        let mut draft = Draft::line(self.channel.clone(), *severity, *text, "fr-FR", *urgency);
        if let Some(before) = heard {
            draft = draft.replacing(before.signed());
        }
        self.step += 1;
        if self.step == Self::STEPS.len() {
            draft = draft.cancelling();
        }
        let message = client.sign(draft)?;
        self.awaited = Some(message.id());
        // Apart from hearing: what comes in meanwhile is shown at once.
        tokio::spawn(publish(client.clone(), message));
        Ok(false)
    }
}

/// The same bytes until a relay has them, or refuses them for good: it counts them once.
async fn publish<P: OnPlane>(client: Client<P>, message: SignedMessage) {
    loop {
        match client.publish_signed(&message).await {
            Ok(receipt) => {
                return say::<P>(&format!("ENREGISTRÉ en {} par le relais  [{}]", receipt.seq, receipt.id));
            }
            // Each try takes up to the deadline of the client, so this does not spin.
            Err(error) if error.is_temporary() => tell_failure::<P>(&error),
            Err(error) => return tell_failure::<P>(&error),
        }
    }
}

fn tell_failure<P: OnPlane>(error: &PublishError) {
    if let PublishError::Refused(refusal) | PublishError::NotSent(LinkError::Refused { refusal, .. }) = error
    {
        tell_refusal::<P>(refusal);
    } else {
        let next = if error.is_temporary() { "PAS ENCORE ENREGISTRÉ, nouvel essai" } else { "NON PUBLIÉ" };
        say::<P>(&format!("{next} : {error}"));
    }
}

/// What to do stands in the sentence of the code; the detail says what exactly, in English.
fn tell_refusal<P: OnPlane>(refusal: &Refusal) {
    say::<P>(&format!("REFUSÉ {} : {} ({:?})", refusal.code, refusal.code.french(), refusal.detail));
}

/// Only an open line is contact: whoever looks at a silent screen must know which silence it is.
fn tell_line<P: OnPlane>(state: &LinkState) {
    match state {
        LinkState::Up => say::<P>("EN CONTACT avec le relais"),
        LinkState::Stale => say::<P>("HORS CONTACT : le relais se tait ; reconnexion"),
        LinkState::Connecting { attempt, problem: Some(problem) } => {
            say::<P>(&format!("HORS CONTACT, essai {attempt} : {problem:?}"));
        }
        // The first try, and the end, which the subscription itself tells.
        LinkState::Idle | LinkState::Connecting { problem: None, .. } | LinkState::Closed { .. } | _ => {}
    }
}

/// Every line of an exercise says so in words.
fn say<P: OnPlane>(text: &str) {
    for line in text.lines() {
        if P::PLANE == Plane::Exercise { println!("EXERCICE  {line}") } else { println!("{line}") }
    }
}

fn on<P: OnPlane>(flow: &str, place: &str) -> String {
    if P::PLANE == Plane::Exercise { format!("exercise/{flow}/{place}") } else { format!("{flow}/{place}") }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Minor => "MINEURE",
        Severity::Moderate => "MODÉRÉE",
        Severity::Severe => "SÉVÈRE",
        Severity::Extreme => "EXTRÊME",
    }
}
