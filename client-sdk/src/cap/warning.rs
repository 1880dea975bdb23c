//! What an import took although something is wrong with it.

use std::fmt;

use super::error::excerpt;

/// Most warnings kept. A person reads a few; a file with hundreds is wrong in one way hundreds of times.
const WARNINGS_MAX: usize = 256;

/// Something that was left out of the alert, or taken although it looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Line of the file, from 1.
    pub line: u32,
    /// What it is about.
    pub code: WarningCode,
    /// The element or attribute it is about: shortened and escaped where the name is the file's own.
    pub element: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.element, self.code.sentence())
    }
}

macro_rules! warning_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $sentence:literal;)+) => {
        /// What a warning is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum WarningCode {
            $($(#[$doc])* $variant,)+
        }

        impl WarningCode {
            /// Stable name in snake_case, for programs and for looking it up.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What it means, for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

warning_codes! {
    /// The declared encoding cannot be true; the bytes decided.
    EncodingMismatch = "encoding_mismatch", "the file is not in the encoding that it declares; read as what it is";
    /// An element stands later than CAP wants.
    ElementOrder = "element_order", "not in the order that CAP wants; taken all the same";
    /// An element of CAP's namespace that CAP does not have at this place. Left out.
    UnknownElement = "unknown_element", "CAP has no such element here; left out";
    /// An element of another namespace. Left out.
    ForeignElement = "foreign_element", "not an element of CAP; left out";
    /// An attribute. Left out.
    AttributeIgnored = "attribute_ignored", "CAP has no such attribute; left out";
    /// Text between elements. Left out.
    TextIgnored = "text_ignored", "text between elements; left out";
    /// An empty optional element. Left out.
    EmptyDropped = "empty_dropped", "empty; left out";
    /// An empty element that CAP requires and real alerts leave empty. Kept.
    EmptyKept = "empty_kept", "empty; kept";
    /// The last point is not the first. Kept.
    PolygonNotClosed = "polygon_not_closed", "the last point is not the first; kept, may not show on a map";
    /// Fewer than four points. Kept.
    PolygonTooFewPoints = "polygon_too_few_points", "fewer than four points; kept, may not show on a map";
    /// Not points as CAP writes them. Kept.
    PolygonMalformed = "polygon_malformed", "not written as \"lat,lon lat,lon …\"; kept, may not show on a map";
    /// Not a circle as CAP writes it. Kept.
    CircleMalformed = "circle_malformed", "not written as \"lat,lon radius\"; kept, may not show on a map";
    /// A latitude beyond 90, a longitude beyond 180 or a radius beyond half the Earth. Kept.
    OutOfRange = "out_of_range", "no such place on Earth; kept, may not show on a map";
    /// A number that is none. Kept.
    NumberMalformed = "number_malformed", "not a number; kept";
    /// A ceiling without an altitude. Kept.
    CeilingWithoutAltitude = "ceiling_without_altitude", "a ceiling needs an altitude; kept";
    /// Scope Restricted without a restriction.
    RestrictionMissing = "restriction_missing", "scope Restricted needs a restriction that says to whom";
    /// Scope Private without addresses.
    AddressesMissing = "addresses_missing", "scope Private needs the addresses of the recipients";
    /// Update, Cancel, Ack or Error without references.
    ReferencesMissing = "references_missing", "this type of message needs references to earlier alerts";
    /// References that are not triples. Kept.
    ReferencesMalformed = "references_malformed", "not written as \"sender,identifier,sent\"; kept";
    /// Characters that break references to this alert. Kept.
    ReservedCharacters = "reserved_characters", "a space, comma, < or & makes references to it unreadable; kept";
    /// Not a language tag. Kept.
    LanguageMalformed = "language_malformed", "not a language tag such as fr-FR; kept";
    /// There were more warnings than are kept.
    MoreWarnings = "more_warnings", "more warnings follow, which are not listed";
}

/// Collects warnings up to their bound.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    list: Vec<Warning>,
}

impl Warnings {
    /// `element` may be the file's own.
    pub(super) fn push(&mut self, line: u32, code: WarningCode, element: &str) {
        let code = match self.list.len() + 1 {
            ..WARNINGS_MAX => code,
            WARNINGS_MAX => WarningCode::MoreWarnings,
            _ => return,
        };
        self.list.push(Warning { line, code, element: excerpt(element) });
    }

    /// In the order of lines. The note that there are more stays last.
    pub(super) fn into_vec(mut self) -> Vec<Warning> {
        self.list.sort_by_key(|warning| (warning.code == WarningCode::MoreWarnings, warning.line));
        self.list
    }
}
