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

impl Warning {
    /// As `Display`, in French.
    pub fn french(&self) -> String {
        format!("ligne {} : {} : {}", self.line, self.element, self.code.french())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.element, self.code.english())
    }
}

/// How much a warning weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// Worth knowing; the file is good CAP.
    Note,
    /// Turned into CAP 1.2, by the table of conversions or by an option of the caller.
    Conversion,
    /// Against the schema of CAP or the rules of XML; taken all the same.
    Form,
    /// Against a rule of CAP's text that its schema does not say.
    Rule,
}

impl WarningKind {
    /// Stable name in snake_case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Conversion => "conversion",
            Self::Form => "form",
            Self::Rule => "rule",
        }
    }
}

macro_rules! warning_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $kind:ident, $english:literal, $french:literal;)+) => {
        /// What a warning is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum WarningCode {
            $($(#[$doc])* $variant,)+
        }

        impl WarningCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Stable name in snake_case, for programs and for looking it up.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// How much it weighs.
            pub const fn kind(self) -> WarningKind {
                match self { $(Self::$variant => WarningKind::$kind,)+ }
            }

            /// What it means, in English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)+ }
            }

            /// What it means, in French.
            pub const fn french(self) -> &'static str {
                match self { $(Self::$variant => $french,)+ }
            }
        }
    };
}

warning_codes! {
    /// The declared encoding cannot be true; the bytes decided.
    EncodingMismatch = "encoding_mismatch", Form,
        "the file is not in the encoding that it declares; read as what it is",
        "le fichier n'a pas l'encodage qu'il déclare ; lu tel qu'il est";
    /// The alert stood in something else. What that says is left out.
    InEnvelope = "in_envelope", Note,
        "the alert stands in this; what it says around the alert is left out",
        "l'alerte se trouve dans ceci ; ce qui est dit autour d'elle est omis";
    /// CAP 1.0 or 1.1, read as 1.2.
    OlderVersion = "older_version", Conversion,
        "an older version of CAP; read as CAP 1.2",
        "une version antérieure de CAP ; lue comme CAP 1.2";
    /// A value of an older version became the one that replaced it.
    ValueConverted = "value_converted", Conversion,
        "a value of an older CAP; taken as the value that replaced it",
        "valeur d'un CAP antérieur ; prise comme celle qui l'a remplacée";
    /// An element that older versions did not require got a value that says nothing.
    ValueFilled = "value_filled", Conversion,
        "not there, which older versions allowed; filled with a value that claims nothing",
        "absent, ce que les versions antérieures permettaient ; rempli d'une valeur qui n'affirme rien";
    /// The `password` of CAP 1.0. Left out.
    PasswordDropped = "password_dropped", Conversion,
        "a secret of the sender must not be sent on; left out",
        "un secret de l'expéditeur ne doit pas être transmis ; omis";
    /// Text `key=value` became a name and a value.
    PairConverted = "pair_converted", Conversion,
        "written as key=value; taken as valueName and value",
        "écrit clé=valeur ; pris comme valueName et value";
    /// A time that only XML Schema takes became one of CAP: `Z` became `-00:00`, a fraction of a second went.
    TimeConverted = "time_converted", Conversion,
        "not written as CAP writes times; taken as the same moment, to the second",
        "pas écrit comme CAP écrit les heures ; pris comme le même instant, à la seconde";
    /// The caller's options filled in what the file does not say.
    Supplied = "supplied", Conversion,
        "not in the file; supplied by an option",
        "absent du fichier ; fourni par une option";
    /// An element stands later than CAP wants.
    ElementOrder = "element_order", Form,
        "not in the order that CAP wants; taken all the same",
        "pas dans l'ordre que veut CAP ; pris quand même";
    /// An element of CAP's namespace that CAP does not have at this place. Left out.
    UnknownElement = "unknown_element", Form,
        "CAP has no such element here; left out",
        "CAP n'a pas cet élément ici ; omis";
    /// An element of another namespace. Left out.
    ForeignElement = "foreign_element", Form,
        "not an element of CAP; left out",
        "pas un élément de CAP ; omis";
    /// An attribute. Left out.
    AttributeIgnored = "attribute_ignored", Form,
        "CAP has no such attribute; left out",
        "CAP n'a pas cet attribut ; omis";
    /// Text between elements. Left out.
    TextIgnored = "text_ignored", Form,
        "text between elements; left out",
        "du texte entre des éléments ; omis";
    /// An empty optional element. Left out.
    EmptyDropped = "empty_dropped", Note,
        "empty; left out",
        "vide ; omis";
    /// An empty element that CAP requires and real alerts leave empty. Kept.
    EmptyKept = "empty_kept", Rule,
        "empty; kept",
        "vide ; gardé";
    /// An empty polygon or circle. Left out.
    EmptyShape = "empty_shape", Rule,
        "a place without points; left out",
        "un lieu sans points ; omis";
    /// The last point is not the first. Kept.
    PolygonNotClosed = "polygon_not_closed", Rule,
        "the last point is not the first; kept, may not show on a map",
        "le dernier point n'est pas le premier ; gardé, peut manquer sur une carte";
    /// Fewer than four points. Kept.
    PolygonTooFewPoints = "polygon_too_few_points", Rule,
        "fewer than four points; kept, may not show on a map",
        "moins de quatre points ; gardé, peut manquer sur une carte";
    /// Not points as CAP writes them. Kept.
    PolygonMalformed = "polygon_malformed", Rule,
        "not written as \"lat,lon lat,lon …\"; kept, may not show on a map",
        "pas écrit « lat,lon lat,lon … » ; gardé, peut manquer sur une carte";
    /// Not a circle as CAP writes it. Kept.
    CircleMalformed = "circle_malformed", Rule,
        "not written as \"lat,lon radius\"; kept, may not show on a map",
        "pas écrit « lat,lon rayon » ; gardé, peut manquer sur une carte";
    /// A latitude beyond 90, a longitude beyond 180 or a radius beyond half the Earth. Kept.
    OutOfRange = "out_of_range", Rule,
        "no such place on Earth; kept, may not show on a map",
        "pas un lieu sur Terre ; gardé, peut manquer sur une carte";
    /// A number that is none. Kept.
    NumberMalformed = "number_malformed", Form,
        "not a number; kept",
        "pas un nombre ; gardé";
    /// A ceiling without an altitude. Kept.
    CeilingWithoutAltitude = "ceiling_without_altitude", Rule,
        "a ceiling needs an altitude; kept",
        "un plafond demande une altitude ; gardé";
    /// Scope Restricted without a restriction.
    RestrictionMissing = "restriction_missing", Rule,
        "scope Restricted needs a restriction that says to whom",
        "la portée Restricted demande une restriction qui dise à qui";
    /// Scope Private without addresses.
    AddressesMissing = "addresses_missing", Rule,
        "scope Private needs the addresses of the recipients",
        "la portée Private demande les adresses des destinataires";
    /// Update, Cancel, Ack or Error without references.
    ReferencesMissing = "references_missing", Rule,
        "this type of message needs references to earlier alerts",
        "ce type de message demande des références à des alertes antérieures";
    /// References that are not triples. Kept.
    ReferencesMalformed = "references_malformed", Rule,
        "not written as \"sender,identifier,sent\"; kept",
        "pas écrit « sender,identifier,sent » ; gardé";
    /// Characters that break references to this alert. Kept.
    ReservedCharacters = "reserved_characters", Rule,
        "a space, comma, < or & makes references to it unreadable; kept",
        "une espace, une virgule, < ou & rend illisibles les références à cette alerte ; gardé";
    /// Not a language tag. Kept.
    LanguageMalformed = "language_malformed", Form,
        "not a language tag such as fr-FR; kept",
        "pas un code de langue tel que fr-FR ; gardé";
    /// Not a media type. Kept.
    MimeTypeMalformed = "mime_type_malformed", Rule,
        "not a media type such as image/png; kept",
        "pas un type de média tel que image/png ; gardé";
    /// Not a full address. Kept.
    UriMalformed = "uri_malformed", Rule,
        "not a full address such as https://example.org/; kept",
        "pas une adresse complète telle que https://example.org/ ; gardé";
    /// The embedded file is not base64. Kept.
    EmbeddedMalformed = "embedded_malformed", Rule,
        "the embedded file is not in base64; kept",
        "le fichier joint n'est pas en base64 ; gardé";
    /// The digest is not 40 hexadecimal digits. Kept.
    DigestMalformed = "digest_malformed", Rule,
        "not a SHA-1 in hexadecimal; kept",
        "pas un SHA-1 en hexadécimal ; gardé";
    /// The digest is not that of the embedded file. Kept.
    DigestMismatch = "digest_mismatch", Rule,
        "not the SHA-1 of the embedded file, which was damaged or replaced; kept",
        "pas le SHA-1 du fichier joint, qui a été abîmé ou remplacé ; gardé";
    /// The size is not that of the embedded file. Kept.
    SizeMismatch = "size_mismatch", Rule,
        "not the size of the embedded file; kept",
        "pas la taille du fichier joint ; gardé";
    /// There were more warnings than are kept.
    MoreWarnings = "more_warnings", Note,
        "more warnings follow, which are not listed",
        "d'autres avertissements suivent, qui ne sont pas listés";
}

/// Collects warnings up to their bound.
#[derive(Debug, Clone, Default)]
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::WarningCode;

    #[test]
    fn each_code_has_a_name_and_two_sentences_of_its_own() {
        let all = WarningCode::ALL;
        for text in [WarningCode::as_str, WarningCode::english, WarningCode::french] {
            let texts: BTreeSet<&str> = all.iter().map(|code| text(*code)).collect();
            assert_eq!(texts.len(), all.len());
        }
        assert!(all.iter().all(|code| code.english() != code.french()));
    }
}
