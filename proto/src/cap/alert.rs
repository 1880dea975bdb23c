//! The alert itself, and what the message around it needs to know of it.

use serde::{Deserialize, Serialize};

use super::codes::{MsgType, Scope, Status, Urgency};
use super::form;
use super::info::Info;
use crate::channel::Plane;
use crate::severity::Severity;

/// CAP's default for an `info` without `language`.
const DEFAULT_LANGUAGE: &str = "en-US";

/// A CAP 1.2 alert: the content of a message. CAP element `alert`.
///
/// All texts are as given. `Option` is an element that may be missing, `Vec` one that may repeat. What serde cannot
/// say about the form is in [`Alert::validate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// The issuer's own number for it. Not the id of the message, which is a hash.
    pub identifier: String,
    /// Who issued it, in the issuer's words. Not verified: who signed stands in the message.
    pub sender: String,
    /// When the issuer sent it, as a CAP dateTime. Not the message's `sent`.
    pub sent: String,
    /// For real, exercise, system, test or draft.
    pub status: Status,
    /// What it does to earlier alerts of CAP. Takes effect only through the message's `replaces`.
    pub msg_type: MsgType,
    /// The operator or device it came from.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// For whom it is meant.
    pub scope: Scope,
    /// The rule for scope `Restricted`.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub restriction: Option<String>,
    /// The recipients for scope `Private`, separated by spaces.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub addresses: Option<String>,
    /// Handling codes, such as those of a national profile.
    #[serde(default, deserialize_with = "form::some_values", skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    /// Purpose or significance; for a cancel or an error, why.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Earlier alerts, each as `sender,identifier,sent`, separated by spaces.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
    /// Names of the incidents it is part of, separated by spaces.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub incidents: Option<String>,
    /// What it says. Empty for a bare cancel or acknowledgement.
    #[serde(default, deserialize_with = "form::some_objects", skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

impl Alert {
    /// The plane on which this alert may be said: Actual and System live, Exercise and Test as an exercise. `None` for
    /// a draft, which may be said nowhere.
    pub const fn plane(&self) -> Option<Plane> {
        match self.status {
            Status::Actual | Status::System => Some(Plane::Live),
            Status::Exercise | Status::Test => Some(Plane::Exercise),
            Status::Draft => None,
        }
    }

    /// The least severity that a message carrying this alert may have: the highest over its infos, where CAP's
    /// `Unknown` counts as severe. `None` without an info: then nothing of it binds the message.
    pub fn severity_floor(&self) -> Option<Severity> {
        self.info.iter().map(|info| info.severity.counts_as()).max()
    }

    /// Whether any info asks for action now or within the hour. One of two parts of *urgent*: the other is the
    /// message's severity.
    pub fn is_urgent_timing(&self) -> bool {
        self.info.iter().any(|info| matches!(info.urgency, Urgency::Immediate | Urgency::Expected))
    }

    /// The account to show to somebody who reads `lang` (a language tag such as `fr` or `fr-CA`): the same tag, else a
    /// narrower one (`fr` finds `fr-FR`), else the same language elsewhere (`fr-CA` finds `fr-FR`), else the first.
    /// Case does not count. `None` without an info.
    pub fn info_for(&self, lang: &str) -> Option<&Info> {
        let mut best: Option<(Closeness, &Info)> = None;
        for info in &self.info {
            let closeness = closeness(lang, info.language.as_deref().unwrap_or(DEFAULT_LANGUAGE));
            if best.is_none_or(|(so_far, _)| closeness > so_far) {
                best = Some((closeness, info));
            }
        }
        best.map(|(_, info)| info)
    }

    /// One line to show to somebody who reads `lang`: the headline of [`Alert::info_for`], or its event when it has no
    /// headline. `None` without an info.
    pub fn headline(&self, lang: &str) -> Option<&str> {
        let info = self.info_for(lang)?;
        let headline = info.headline.as_deref().filter(|headline| !headline.trim().is_empty());
        Some(headline.unwrap_or(&info.event))
    }
}

/// How well a language tag answers a wish, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Other,
    SameLanguage,
    Narrower,
    Same,
}

fn closeness(wanted: &str, tag: &str) -> Closeness {
    // Real issuers also write `fr_FR`.
    let mut wanted = wanted.split(['-', '_']);
    let mut tag = tag.split(['-', '_']);
    let same = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (Some(_), None) | (None, _) => false,
    };
    if !same(wanted.next(), tag.next()) {
        return Closeness::Other;
    }
    loop {
        match (wanted.next(), tag.next()) {
            (None, None) => return Closeness::Same,
            (None, Some(_)) => return Closeness::Narrower,
            (a, b) if same(a, b) => {}
            (Some(_), _) => return Closeness::SameLanguage,
        }
    }
}
