//! CAP 1.2's names and the order of its elements, for whoever reads or writes its XML.

/// The namespace of CAP 1.2.
pub(super) const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";

/// The processing instruction by which our export says that the white space of an element is meant: the import neither
/// trims such a text nor leaves it out for being blank. Without it a file cannot say whether white space at the ends is
/// text or layout.
pub(super) const EXACT: &str = "vigie exact";

/// The root element.
pub(super) const ROOT: &str = "alert";

/// The elements of `alert`, in the order of the schema. So are the other lists.
pub(super) const ALERT: &[&str] = &[
    "identifier",
    "sender",
    "sent",
    "status",
    "msgType",
    "source",
    "scope",
    "restriction",
    "addresses",
    "code",
    "note",
    "references",
    "incidents",
    "info",
];

/// The elements of `info`.
pub(super) const INFO: &[&str] = &[
    "language",
    "category",
    "event",
    "responseType",
    "urgency",
    "severity",
    "certainty",
    "audience",
    "eventCode",
    "effective",
    "onset",
    "expires",
    "senderName",
    "headline",
    "description",
    "instruction",
    "web",
    "contact",
    "parameter",
    "resource",
    "area",
];

/// The elements of `resource`.
pub(super) const RESOURCE: &[&str] = &["resourceDesc", "mimeType", "size", "uri", "derefUri", "digest"];

/// The elements of `area`.
pub(super) const AREA: &[&str] = &["areaDesc", "polygon", "circle", "geocode", "altitude", "ceiling"];

/// The elements of `eventCode`, `parameter` and `geocode`.
pub(super) const VALUE_PAIR: &[&str] = &["valueName", "value"];

/// CAP's own copy of a name, if CAP has an element of that name below its root.
pub(super) fn known(name: &str) -> Option<&'static str> {
    [ALERT, INFO, RESOURCE, AREA, VALUE_PAIR].into_iter().flatten().find(|known| **known == name).copied()
}
