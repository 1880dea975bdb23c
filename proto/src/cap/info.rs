//! What an alert says about its event, once a language or audience: `info`, with its resources and areas.

use serde::{Deserialize, Serialize};

use super::codes::{Category, Certainty, ResponseType, Severity, Urgency};
use super::form;

/// One account of the event: in one language, for one audience. CAP element `info`.
///
/// All texts are as given. `Option` is an element that may be missing, `Vec` one that may repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Info {
    /// Language tag (RFC 3066 in CAP's text, such as `fr-FR`). Missing means `en-US`.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Kinds of event; at least one.
    #[serde(deserialize_with = "form::some_values")]
    pub category: Vec<Category>,
    /// What the event is, in words.
    pub event: String,
    /// What those who are addressed should do.
    #[serde(default, deserialize_with = "form::some_values", skip_serializing_if = "Vec::is_empty")]
    pub response_type: Vec<ResponseType>,
    /// How soon action is due.
    pub urgency: Urgency,
    /// How grave it is.
    pub severity: Severity,
    /// How sure the author is.
    pub certainty: Certainty,
    /// For whom this account is written.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Codes of the event in systems that `valueName` names.
    #[serde(default, deserialize_with = "form::some_objects", skip_serializing_if = "Vec::is_empty")]
    pub event_code: Vec<ValuePair>,
    /// When the information takes effect, as a CAP dateTime. Missing means the alert's `sent`.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub effective: Option<String>,
    /// When the event is expected to begin, as a CAP dateTime.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub onset: Option<String>,
    /// When the information is no longer in effect, as a CAP dateTime.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Readable name of the issuer. Not verified: who signed stands in the message.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    /// One line to show first.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// What happens, in full.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What to do, in full.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Where more can be read (absolute URI). Never opened by this project.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub web: Option<String>,
    /// Whom to ask.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Values that systems agreed on.
    #[serde(default, deserialize_with = "form::some_objects", skip_serializing_if = "Vec::is_empty")]
    pub parameter: Vec<ValuePair>,
    /// Images, audio and other files.
    #[serde(default, deserialize_with = "form::some_objects", skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<Resource>,
    /// Where the event is.
    #[serde(default, deserialize_with = "form::some_objects", skip_serializing_if = "Vec::is_empty")]
    pub area: Vec<Area>,
}

/// A value with the name of the system that gives it its meaning: CAP's `eventCode`, `parameter` and `geocode`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValuePair {
    /// Name of the system, such as `INSEE` or `EMMA_ID`.
    pub value_name: String,
    /// The value. May be empty: real issuers send names whose presence is the value.
    pub value: String,
}

/// A file that goes with an account, by address or embedded. CAP element `resource`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// What it is, for people.
    pub resource_desc: String,
    /// Its media type.
    pub mime_type: String,
    /// Its size in bytes, as written by the issuer.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Where it is. Never opened by this project.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The file itself, in base64.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub deref_uri: Option<String>,
    /// Its SHA-1, in hexadecimal, as CAP 1.2 wants it. Says nothing about authenticity.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A place that is concerned: the union of its polygons, circles and codes. CAP element `area`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Area {
    /// The place in words. May be empty: real issuers leave it to the codes.
    pub area_desc: String,
    /// `lat,lon lat,lon …` in WGS 84 degrees (latitude first, unlike GeoJSON), as written.
    #[serde(default, deserialize_with = "form::some_values", skip_serializing_if = "Vec::is_empty")]
    pub polygon: Vec<String>,
    /// `lat,lon radius`, the radius in kilometres, as written.
    #[serde(default, deserialize_with = "form::some_values", skip_serializing_if = "Vec::is_empty")]
    pub circle: Vec<String>,
    /// Codes of the place in systems that `valueName` names.
    #[serde(default, deserialize_with = "form::some_objects", skip_serializing_if = "Vec::is_empty")]
    pub geocode: Vec<ValuePair>,
    /// Altitude, or the lowest one when there is a ceiling: feet above mean sea level.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub altitude: Option<String>,
    /// Highest altitude: feet above mean sea level.
    #[serde(default, deserialize_with = "form::present", skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
}
