//! Why a file cannot be imported.

use vigie_proto::cap::UnknownCode;

use super::schema;
use super::{ALERTS_MAX, DEPTH_MAX, ELEMENTS_MAX, INPUT_BYTES_MAX};

/// Why a file cannot be imported, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
#[non_exhaustive]
pub struct ImportError {
    /// Line of the file, from 1. For a missing element, the line where its parent starts.
    pub line: u32,
    /// What is wrong there.
    pub fault: ImportFault,
}

impl ImportError {
    pub(super) const fn new(line: u32, fault: ImportFault) -> Self {
        Self { line, fault }
    }

    /// As `Display`, in French.
    pub fn french(&self) -> String {
        format!("ligne {} : {}", self.line, self.fault.french())
    }

    /// The stable name of the fault: see [`ImportFault::code`].
    pub const fn code(&self) -> &'static str {
        self.fault.code()
    }
}

/// What makes a file impossible to import. Quotes of the file are shortened and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportFault {
    /// Larger than [`INPUT_BYTES_MAX`].
    #[error(
        "the file has {bytes} bytes, at most {INPUT_BYTES_MAX} are read: take out embedded resources and give their address instead"
    )]
    TooLarge {
        /// Size of the file.
        bytes: usize,
    },
    /// The declaration names an encoding that is not known.
    #[error("the encoding \"{name}\" is not known: save the file as UTF-8")]
    UnknownEncoding {
        /// As declared.
        name: String,
    },
    /// The bytes are not in the encoding that the file says it has.
    #[error("the bytes are not {encoding}, as the file says: save it as UTF-8")]
    BadEncoding {
        /// The encoding that was tried.
        encoding: &'static str,
    },
    /// A character that XML does not allow, also as a reference.
    #[error("the character U+{code_point:04X} is not allowed in XML: take it out")]
    BadCharacter {
        /// The character.
        code_point: u32,
    },
    /// Not XML.
    #[error("this is not well-formed XML: {reason}")]
    NotWellFormed {
        /// In the parser's words.
        reason: String,
    },
    /// The file ends before the alert does.
    #[error("the file ends before the alert is complete: {reason}; fetch it again")]
    Truncated {
        /// What is still open.
        reason: String,
    },
    /// A document type definition: it can pull in files and blow up memory.
    #[error("a DOCTYPE is not accepted: CAP has none, take it out")]
    Doctype,
    /// A reference to an entity other than the five of XML.
    #[error("the entity &{name}; is not known: write the character itself")]
    Entity {
        /// Its name.
        name: String,
    },
    /// Deeper than [`DEPTH_MAX`].
    #[error("elements are nested deeper than {DEPTH_MAX}: this is no CAP alert")]
    TooDeep,
    /// More elements than [`ELEMENTS_MAX`].
    #[error("there are more than {ELEMENTS_MAX} elements: split the alert")]
    TooManyElements,
    /// An Atom feed or other envelope without an alert: often an index, whose entries say where the alerts are.
    #[error("this is an envelope ({kind}) with no CAP alert inside: fetch the alerts that it links to")]
    NoAlert {
        /// What it is.
        kind: &'static str,
    },
    /// An envelope with several alerts, where one is asked for.
    #[error(
        "there are {found} alerts inside, and only one can be taken here: split them with vigie cap to-xml --dir DIR"
    )]
    ManyAlerts {
        /// How many.
        found: usize,
    },
    /// More than [`ALERTS_MAX`].
    #[error("there are more than {ALERTS_MAX} alerts inside: split the file")]
    TooManyAlerts,
    /// An `alert` that does not say it is CAP.
    #[error("the namespace of alert is \"{found}\", expected \"urn:oasis:names:tc:emergency:cap:1.2\"")]
    WrongNamespace {
        /// The namespace as written, empty when there is none.
        found: String,
    },
    /// The root is no `alert`.
    #[error("the root element is <{found}>, expected <alert> of CAP, or something with alerts inside")]
    WrongRoot {
        /// Its name.
        found: String,
    },
    /// An element that CAP requires is not there.
    #[error("{parent} has no {element}, which CAP 1.2 requires{}", supply(element))]
    MissingElement {
        /// Where it should be.
        parent: &'static str,
        /// What is missing.
        element: &'static str,
    },
    /// An element that must say something is empty.
    #[error("{element} is empty, and CAP requires it")]
    EmptyElement {
        /// Which.
        element: &'static str,
    },
    /// An element that may stand once stands twice: to take either would be a guess.
    #[error("{element} stands more than once in {parent}, and only one can be meant")]
    RepeatedElement {
        /// Where.
        parent: &'static str,
        /// Which.
        element: &'static str,
    },
    /// An element repeats more often than [`vigie_proto::cap::bounds`] allow.
    #[error("{element} stands {found} times in one parent, at most {max} are allowed: split the alert")]
    TooMany {
        /// Which.
        element: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A value that is not in CAP's list for the element.
    #[error("\"{found}\" is not a value that CAP has for {element}")]
    BadCode {
        /// Which.
        element: &'static str,
        /// The value.
        found: String,
    },
    /// A time that is not written as CAP writes times, or does not exist.
    #[error("\"{found}\" is not a time for {element}: write 2026-06-01T10:00:00+02:00")]
    BadDateTime {
        /// Which.
        element: &'static str,
        /// The value.
        found: String,
    },
    /// A time without a zone: the same words are different moments in different places.
    #[error("\"{found}\" has no zone for {element}: supply it with --zone")]
    NoZone {
        /// Which.
        element: &'static str,
        /// The value.
        found: String,
    },
    /// A value of CAP 1.0 that is not `key=value`.
    #[error("\"{found}\" in {element} has no name, expected key=value: supply the name with --value-name")]
    NoValueName {
        /// Which.
        element: &'static str,
        /// The value.
        found: String,
    },
    /// Elements inside a text: words would be lost.
    #[error("{element} holds elements where only text may stand: escape them or write plain text")]
    MarkupInText {
        /// Which.
        element: &'static str,
    },
}

impl ImportFault {
    /// Stable name in snake_case, for programs and for looking it up.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::UnknownEncoding { .. } => "unknown_encoding",
            Self::BadEncoding { .. } => "bad_encoding",
            Self::BadCharacter { .. } => "bad_character",
            Self::NotWellFormed { .. } => "not_well_formed",
            Self::Truncated { .. } => "truncated",
            Self::Doctype => "doctype",
            Self::Entity { .. } => "entity",
            Self::TooDeep => "too_deep",
            Self::TooManyElements => "too_many_elements",
            Self::NoAlert { .. } => "no_alert",
            Self::ManyAlerts { .. } => "many_alerts",
            Self::TooManyAlerts => "too_many_alerts",
            Self::WrongNamespace { .. } => "wrong_namespace",
            Self::WrongRoot { .. } => "wrong_root",
            Self::MissingElement { .. } => "missing_element",
            Self::EmptyElement { .. } => "empty_element",
            Self::RepeatedElement { .. } => "repeated_element",
            Self::TooMany { .. } => "too_many",
            Self::BadCode { .. } => "bad_code",
            Self::BadDateTime { .. } => "bad_date_time",
            Self::NoZone { .. } => "no_zone",
            Self::NoValueName { .. } => "no_value_name",
            Self::MarkupInText { .. } => "markup_in_text",
        }
    }

    /// The element that it is about, if it is about one.
    pub const fn element(&self) -> Option<&'static str> {
        match self {
            Self::MissingElement { element, .. }
            | Self::EmptyElement { element }
            | Self::RepeatedElement { element, .. }
            | Self::TooMany { element, .. }
            | Self::BadCode { element, .. }
            | Self::BadDateTime { element, .. }
            | Self::NoZone { element, .. }
            | Self::NoValueName { element, .. }
            | Self::MarkupInText { element } => Some(element),
            Self::WrongNamespace { .. } => Some("alert"),
            Self::TooLarge { .. }
            | Self::UnknownEncoding { .. }
            | Self::BadEncoding { .. }
            | Self::BadCharacter { .. }
            | Self::NotWellFormed { .. }
            | Self::Truncated { .. }
            | Self::Doctype
            | Self::Entity { .. }
            | Self::TooDeep
            | Self::TooManyElements
            | Self::NoAlert { .. }
            | Self::ManyAlerts { .. }
            | Self::TooManyAlerts
            | Self::WrongRoot { .. } => None,
        }
    }

    /// As `Display`, in French. What the XML parser says stays in English.
    pub fn french(&self) -> String {
        match self {
            Self::TooLarge { bytes } => format!(
                "le fichier a {bytes} octets, {INPUT_BYTES_MAX} au plus sont lus : ôtez les fichiers joints et donnez leur adresse"
            ),
            Self::UnknownEncoding { name } => {
                format!("l'encodage « {name} » est inconnu : enregistrez le fichier en UTF-8")
            }
            Self::BadEncoding { encoding } => {
                format!(
                    "les octets ne sont pas en {encoding}, comme le dit le fichier : enregistrez-le en UTF-8"
                )
            }
            Self::BadCharacter { code_point } => {
                format!("le caractère U+{code_point:04X} n'est pas permis en XML : ôtez-le")
            }
            Self::NotWellFormed { reason } => format!("ce n'est pas du XML bien formé : {reason}"),
            Self::Truncated { reason } => {
                format!(
                    "le fichier finit avant que l'alerte soit complète : {reason} ; récupérez-le de nouveau"
                )
            }
            Self::Doctype => "un DOCTYPE n'est pas accepté : CAP n'en a pas, ôtez-le".to_owned(),
            Self::Entity { name } => {
                format!("l'entité &{name}; est inconnue : écrivez le caractère lui-même")
            }
            Self::TooDeep => {
                format!("des éléments sont imbriqués à plus de {DEPTH_MAX} : ce n'est pas une alerte CAP")
            }
            Self::TooManyElements => format!("il y a plus de {ELEMENTS_MAX} éléments : divisez l'alerte"),
            Self::NoAlert { kind } => {
                format!(
                    "c'est une enveloppe ({kind}) sans alerte CAP dedans : récupérez les alertes auxquelles elle renvoie"
                )
            }
            Self::ManyAlerts { found } => format!(
                "il y a {found} alertes dedans et une seule peut être prise ici : séparez-les par vigie cap to-xml --dir DIR"
            ),
            Self::TooManyAlerts => format!("il y a plus de {ALERTS_MAX} alertes dedans : divisez le fichier"),
            Self::WrongNamespace { found } => {
                format!("l'espace de noms de alert est « {found} », attendu « {} »", schema::NAMESPACE)
            }
            Self::WrongRoot { found } => format!(
                "l'élément racine est <{found}>, attendu <alert> de CAP, ou ce qui contient des alertes"
            ),
            Self::MissingElement { parent, element } => match supplied_by(element) {
                None => format!("{parent} n'a pas de {element}, que CAP 1.2 exige"),
                Some(flag) => {
                    format!("{parent} n'a pas de {element}, que CAP 1.2 exige : fournissez-le par {flag}")
                }
            },
            Self::EmptyElement { element } => format!("{element} est vide, et CAP l'exige"),
            Self::RepeatedElement { parent, element } => {
                format!("{element} se trouve plus d'une fois dans {parent}, et un seul peut être entendu")
            }
            Self::TooMany { element, found, max } => format!(
                "{element} se trouve {found} fois dans un parent, {max} au plus sont permis : divisez l'alerte"
            ),
            Self::BadCode { element, found } => {
                format!("« {found} » n'est pas une valeur que CAP a pour {element}")
            }
            Self::BadDateTime { element, found } => {
                format!("« {found} » n'est pas une heure pour {element} : écrivez 2026-06-01T10:00:00+02:00")
            }
            Self::NoZone { element, found } => {
                format!("« {found} » n'a pas de fuseau pour {element} : fournissez-le par --zone")
            }
            Self::NoValueName { element, found } => format!(
                "« {found} » dans {element} n'a pas de nom, attendu clé=valeur : fournissez le nom par --value-name"
            ),
            Self::MarkupInText { element } => format!(
                "{element} contient des éléments où ne peut être que du texte : écrivez du texte simple"
            ),
        }
    }

    pub(super) fn bad_code(error: UnknownCode, found: &str) -> Self {
        Self::BadCode { element: error.element, found: excerpt(found) }
    }
}

/// For elements that older versions do not require: the flag by which the caller supplies them.
fn supplied_by(element: &str) -> Option<&'static str> {
    match element {
        "mimeType" => Some("--mime-type"),
        "scope" => Some("--scope"),
        "category" => Some("--category"),
        _ => None,
    }
}

fn supply(element: &str) -> String {
    supplied_by(element).map_or_else(String::new, |flag| format!(": supply it with {flag}"))
}

/// Most characters that are quoted from a file: enough to find the place, not enough to flood a log.
const EXCERPT_CHARS_MAX: usize = 48;

/// A piece of the file that can be shown on a terminal: shortened, control and direction characters escaped.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(EXCERPT_CHARS_MAX) {
        match character {
            '\'' | '"' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(EXCERPT_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
