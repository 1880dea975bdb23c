//! What the door is asked, and what it answers: JSON, one object a line.
//!
//! Nothing here holds a secret or what a message says. A credential's organisation and name are told, to whoever may read
//! them in the journal anyway.

use serde::{Deserialize, Serialize};
use vigie_proto::channel::{Channel, Filter, Jurisdiction};
use vigie_proto::explain::{Finding, Rule};
use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::label::Tlp;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Question {
    /// Who may hear this message.
    Message {
        /// Its id.
        id: MessageId,
        /// Its place, where it is known: older messages are not looked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<Sequence>,
        /// Go on behind this credential, the last of the answer before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<CredentialId>,
    },
    /// Whether this chain may publish.
    Publish {
        /// Root first.
        chain: Vec<String>,
        /// Where.
        channel: Channel,
        /// How grave.
        severity: Severity,
    },
    /// Whether this chain may subscribe.
    Subscribe {
        /// Root first.
        chain: Vec<String>,
        /// To what.
        channel: Filter,
    },
    /// Whether the holder of this chain could hear a message, with the widest subscription that its grants allow.
    Hear {
        /// Root first.
        chain: Vec<String>,
        /// Where the message is addressed.
        channel: Channel,
        /// How grave it is.
        severity: Severity,
        /// How it is labelled.
        label: Tlp,
        /// For whom it is by name.
        #[serde(default)]
        audience: Vec<Jurisdiction>,
    },
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Who may hear it.
    Message {
        /// What of it decides that.
        message: Addressed,
        /// By credential; at most [`HEARERS_MAX`](super::judge::HEARERS_MAX).
        hearers: Vec<Hearer>,
        /// How many credentials are known behind the last of these.
        more: u64,
    },
    /// What each rule says of a chain.
    Judged {
        /// In the order in which they are looked at.
        findings: Vec<Judged>,
    },
    /// No such message was found.
    UnknownMessage {
        /// The lowest place that was looked at: older ones were not. The first of the journal when all were.
        looked_from: Sequence,
        /// The first place that the journal has.
        first: Sequence,
    },
    /// As many ask at once as may, and this one had not asked yet: to be asked again.
    Busy,
    /// There is no answer to that.
    Failed {
        /// Why, in English.
        why: String,
    },
}

/// Of a message, what decides who hears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addressed {
    pub(crate) id: MessageId,
    pub(crate) seq: Sequence,
    pub(crate) admitted: Timestamp,
    pub(crate) channel: Channel,
    pub(crate) severity: Severity,
    /// For whom it is by name; empty: for everyone.
    pub(crate) audience: Vec<Jurisdiction>,
    /// The credential of its author.
    pub(crate) author: CredentialId,
}

/// One who might hear a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hearer {
    pub(crate) credential: CredentialId,
    pub(crate) org: String,
    pub(crate) title: String,
    pub(crate) hears: bool,
    /// What keeps it out, the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Code>,
    /// The credential that the rule was asked of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<CredentialId>,
}

impl Hearer {
    /// What the findings make of this one.
    pub(crate) fn new(credential: CredentialId, org: String, title: String, findings: Vec<Finding>) -> Self {
        let against = findings.into_iter().find(|finding| finding.refusal.is_some());
        Self {
            credential,
            org,
            title,
            hears: against.is_none(),
            rule: against.as_ref().map(|against| against.rule),
            code: against.as_ref().and_then(|against| Some(against.refusal.as_ref()?.code)),
            by: against.and_then(|against| against.link),
        }
    }
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) rule: Rule,
    /// The credential that it was asked of, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<CredentialId>,
    /// Why not; missing when it lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Code>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    /// The credential whose rule refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<CredentialId>,
}

impl From<Finding> for Judged {
    fn from(finding: Finding) -> Self {
        let Finding { rule, link, refusal, .. } = finding;
        let (code, by) = (refusal.as_ref().map(|it| it.code), refusal.as_ref().and_then(|it| it.credential));
        let detail = refusal.map(|it| it.detail.into_owned()).unwrap_or_default();
        Self { rule, credential: link, code, detail, by }
    }
}

impl From<Judged> for Finding {
    fn from(judged: Judged) -> Self {
        let Judged { rule, credential, code, detail, by } = judged;
        let refusal = code.map(|code| {
            let refusal = Refusal::new(code, detail);
            match by {
                Some(by) => refusal.by(by),
                None => refusal,
            }
        });
        Self::new(rule, credential, refusal)
    }
}
