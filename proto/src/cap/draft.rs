//! The smallest alert that is worth sending, from one line of text.

use super::alert::Alert;
use super::codes::{Category, Certainty, MsgType, Scope, Severity, Status, Urgency};
use super::info::{Area, Info};
use crate::channel::Plane;

/// What is known when somebody types one line: see [`Alert::from_headline`].
#[derive(Debug, Clone, Copy)]
pub struct Headline<'a> {
    /// Live gives status Actual, exercise gives status Exercise.
    pub plane: Plane,
    /// The author's own number for the alert, without spaces, commas, `<` or `&`.
    pub identifier: &'a str,
    /// Who issues it, without spaces, commas, `<` or `&`; by custom something like an e-mail address.
    pub sender: &'a str,
    /// Now, as a CAP dateTime (`2026-06-01T10:00:00+02:00`).
    pub sent: &'a str,
    /// Language tag of `text` and `area`, such as `fr-FR`.
    pub language: &'a str,
    /// The line itself.
    pub text: &'a str,
    /// The severity of the message.
    pub severity: crate::severity::Severity,
    /// How soon action is due.
    pub urgency: Urgency,
    /// The place in words.
    pub area: &'a str,
    /// `None` gives scope Public. With a rule, such as the message's label in words, scope Restricted: a gateway that
    /// relays CAP to the public must not take an internal line for a public warning.
    pub restriction: Option<&'a str>,
}

impl Alert {
    /// An alert of one line: category Safety and certainty Observed, for somebody who types a line reports what is
    /// there; the line is both event and headline.
    ///
    /// Not validated: call [`Alert::validate`] when the parts come from outside.
    pub fn from_headline(line: &Headline<'_>) -> Self {
        let status = match line.plane {
            Plane::Live => Status::Actual,
            Plane::Exercise => Status::Exercise,
        };
        let info = Info {
            language: Some(line.language.to_owned()),
            category: vec![Category::Safety],
            event: line.text.to_owned(),
            response_type: Vec::new(),
            urgency: line.urgency,
            severity: Severity::from(line.severity),
            certainty: Certainty::Observed,
            audience: None,
            event_code: Vec::new(),
            effective: None,
            onset: None,
            expires: None,
            sender_name: None,
            headline: Some(line.text.to_owned()),
            description: None,
            instruction: None,
            web: None,
            contact: None,
            parameter: Vec::new(),
            resource: Vec::new(),
            area: vec![Area {
                area_desc: line.area.to_owned(),
                polygon: Vec::new(),
                circle: Vec::new(),
                geocode: Vec::new(),
                altitude: None,
                ceiling: None,
            }],
        };
        Self {
            identifier: line.identifier.to_owned(),
            sender: line.sender.to_owned(),
            sent: line.sent.to_owned(),
            status,
            msg_type: MsgType::Alert,
            source: None,
            scope: if line.restriction.is_some() { Scope::Restricted } else { Scope::Public },
            restriction: line.restriction.map(str::to_owned),
            addresses: None,
            code: Vec::new(),
            note: None,
            references: None,
            incidents: None,
            info: vec![info],
        }
    }
}
