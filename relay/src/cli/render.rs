//! A delivery as people read it: what was checked in words, how grave, what is said, who says it, when.
//!
//! Whatever an author wrote is escaped. That it is an exercise is said by the [`Screen`] it is shown on, in every line.

use vigie_client::{Disowned, Gap, OnPlane, Suspect, Verified};
use vigie_proto::cap::{Alert, MsgType};
use vigie_proto::label::Label;
use vigie_proto::rotation::Rotation;

use super::screen::{Screen, Tone, escape, short};
use super::text::Lang;
use super::time;

/// Lines of description and instruction that are shown; the whole is in `--json`.
const BODY_LINES_MAX: usize = 12;

/// A verified message, and what it does to others. The first line can stand alone; the others say who and where.
pub(super) fn message<P: OnPlane>(screen: &Screen, verified: &Verified<P>, effects: Vec<String>) -> String {
    let (lang, said) = (screen.lang, verified.message());
    let cap = &said.content.cap;
    let mut words = vec![
        screen.paint(Tone::Good, &lang.verified()),
        screen.paint(Tone::Strong, lang.severity(said.severity)),
        said.channel.to_string(),
    ];
    if said.label != Label::CLEAR {
        words.push(screen.paint(Tone::Caution, &label(lang, &said.label)));
    }
    if verified.expired() {
        words.push(screen.paint(Tone::Caution, &lang.expired()));
    }
    if let Some(kind) = kind(lang, cap.msg_type) {
        words.push(screen.paint(Tone::Caution, &kind));
    }
    words.push(screen.paint(Tone::Strong, &headline(lang, cap)));
    let mut lines = vec![words.join("  "), by(screen, verified)];
    lines.extend(effects);
    lines.extend(body(screen, cap));
    lines.join("\n")
}

/// How far it may be passed on, and for whom it is by name.
fn label(lang: Lang, label: &Label) -> String {
    let orgs: Vec<&str> = label.audience().orgs().iter().map(|org| org.as_str()).collect();
    if orgs.is_empty() { label.tlp().to_string() } else { lang.label_for(label.tlp(), orgs.join(", ")) }
}

fn by<P: OnPlane>(screen: &Screen, verified: &Verified<P>) -> String {
    let author = verified.author();
    let at: Vec<&str> = author.at.iter().map(|place| place.as_str()).collect();
    let times = time::local(verified.message().sent);
    let id = short(&verified.id().to_string());
    screen.lang.said_by(escape(&author.name), author.org, at.join(" "), times, id, verified.seq())
}

fn kind(lang: Lang, kind: MsgType) -> Option<String> {
    match kind {
        MsgType::Alert => None,
        MsgType::Update => Some(lang.kind_update()),
        MsgType::Cancel => Some(lang.kind_cancel()),
        MsgType::Ack => Some(lang.kind_ack()),
        MsgType::Error => Some(lang.kind_error()),
    }
}

fn headline(lang: Lang, cap: &Alert) -> String {
    let text = cap.headline(lang.tag()).or(cap.note.as_deref());
    text.map_or_else(|| lang.no_words(), |text| escape(text.trim()))
}

/// Where, what, and what to do, in the reader's language where the author gave it.
fn body(screen: &Screen, cap: &Alert) -> Vec<String> {
    let Some(info) = cap.info_for(screen.lang.tag()) else { return Vec::new() };
    let mut lines: Vec<String> =
        info.area.iter().map(|area| format!("   @ {}", escape(area.area_desc.trim()))).collect();
    let texts = [info.description.as_deref(), info.instruction.as_deref()];
    for text in texts.into_iter().flatten() {
        let shown = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.extend(shown.map(|line| format!("   {}", escape(line))));
    }
    if lines.len() > BODY_LINES_MAX && screen.verbose == 0 {
        let left = lines.len() - BODY_LINES_MAX;
        lines.truncate(BODY_LINES_MAX);
        lines.push(screen.lang.lines_left(left));
    }
    lines
}

/// What a relay gave and is no message. Nothing of what it says is shown: only which rule it breaks.
pub(super) fn suspect(screen: &Screen, suspect: &Suspect) -> String {
    let lang = screen.lang;
    let word = screen.paint(Tone::Bad, &lang.not_verified());
    let sentence = match lang {
        Lang::En => suspect.code.english(),
        Lang::Fr => suspect.code.french(),
    };
    let told = lang.suspect(suspect.code, sentence, suspect.seq, escape(&suspect.detail));
    format!("{word}  {told}")
}

/// A message whose author is revoked: never what it said, only that it is not to be believed.
pub(super) fn disowned(screen: &Screen, disowned: &Disowned) -> String {
    let lang = screen.lang;
    let word = screen.paint(Tone::Bad, &lang.disowned());
    let (id, from) = (short(&disowned.id.to_string()), time::local(disowned.from));
    let credential = disowned.credential;
    let told = if disowned.given_before {
        lang.disowned_before(id, credential, from)
    } else {
        lang.disowned_now(id, credential, from)
    };
    format!("{word}  {told}")
}

/// That one root hands over to another, and from when until when.
pub(super) fn rotation(lang: Lang, rotation: &Rotation) -> String {
    let (old, new) = (rotation.root_id(), rotation.successor_id());
    let from = time::date(rotation.handover().from);
    match rotation.handover().until {
        Some(until) => lang.root_hands_over(rotation.plane(), old, new, from, time::date(until)),
        None => lang.root_goes_on(rotation.plane(), old, new, from),
    }
}

pub(super) fn gap(screen: &Screen, gap: &Gap) -> String {
    let word = screen.paint(Tone::Caution, &screen.lang.gap());
    format!("{word}  {}", screen.lang.gap_reason(gap.reason))
}
