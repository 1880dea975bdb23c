//! From text to a bounded tree of CAP elements. The only file that knows quick-xml's events.
//!
//! Called by the import with decoded text. Everything that is not of CAP is counted or warned about and left out here;
//! what remains is `Node`s whose names are CAP's. Iterative: an explicit stack, at most `DEPTH_MAX` high.

use quick_xml::NsReader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use super::decode::is_xml_char;
use super::error::{ImportError, ImportFault, excerpt};
use super::schema;
use super::warning::{WarningCode, Warnings};
use super::{DEPTH_MAX, ELEMENTS_MAX};

const XML_SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Versions of CAP that are not read yet.
const OLDER: [(&str, &str); 2] =
    [("http://www.incident.com/cap/1.0", "1.0"), ("urn:oasis:names:tc:emergency:cap:1.1", "1.1")];

/// Roots of documents that carry alerts inside.
const ENVELOPES: [(&str, &str); 5] = [
    ("feed", "Atom feed"),
    ("entry", "Atom entry"),
    ("rss", "RSS feed"),
    ("EDXLDistribution", "EDXL-DE"),
    ("alerts", "list of alerts"),
];

/// An element of CAP.
#[derive(Debug)]
pub(super) struct Node {
    /// CAP's name of it.
    pub(super) name: &'static str,
    /// Where it starts, from 1.
    pub(super) line: u32,
    /// All text directly inside, references resolved.
    pub(super) text: String,
    /// The CAP elements inside.
    pub(super) children: Vec<Self>,
    /// Whether there are elements inside, also such as were left out.
    pub(super) has_elements: bool,
}

#[derive(Debug)]
pub(super) struct Tree {
    /// The element `alert`.
    pub(super) root: Node,
    /// XML signatures left out.
    pub(super) signatures: usize,
}

pub(super) fn read(text: &str, warnings: &mut Warnings) -> Result<Tree, ImportError> {
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;

    let mut lines = Lines { text: text.as_bytes(), position: 0, line: 1 };
    let mut growing =
        Growing { open: Vec::new(), root: None, skipped: 0, signatures: 0, elements: 0, warnings };
    loop {
        let start = reader.buffer_position();
        let event = reader.read_event();
        let line = lines.at(start);
        let event = event.map_err(|error| {
            let line = lines.at(reader.error_position());
            ImportError::new(line, parser_fault(error))
        })?;
        let at_line = |fault| ImportError::new(line, fault);
        match event {
            Event::Start(start) => {
                let (namespace, _) = reader.resolver().resolve_element(start.name());
                growing.handle_start(&namespace, &start, line).map_err(at_line)?;
            }
            Event::End(_) => growing.handle_end(),
            Event::Text(text) => growing.handle_text(&text).map_err(at_line)?,
            Event::CData(text) => growing.handle_text(&text).map_err(at_line)?,
            Event::GeneralRef(reference) => {
                let character = resolve(&reference).map_err(at_line)?;
                growing.handle_text(character.encode_utf8(&mut [0; 4])).map_err(at_line)?;
            }
            Event::DocType(_) => return Err(at_line(ImportFault::Doctype)),
            Event::Decl(_) if start > 0 => return Err(at_line(not_well_formed("an XML declaration inside"))),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            // Not given, as `expand_empty_elements` asks for a start and an end instead.
            Event::Empty(_) => {}
            Event::Eof => return growing.finish().map_err(at_line),
        }
    }
}

/// The tree while it is read.
struct Growing<'w> {
    /// From the root down to where we are; at most `DEPTH_MAX` with `skipped`.
    open: Vec<Node>,
    /// The root, once it is closed.
    root: Option<Node>,
    /// How deep we are inside an element that is left out; 0 when we are not.
    skipped: usize,
    signatures: usize,
    elements: usize,
    warnings: &'w mut Warnings,
}

impl Growing<'_> {
    fn handle_start(
        &mut self,
        namespace: &ResolveResult<'_>,
        start: &BytesStart<'_>,
        line: u32,
    ) -> Result<(), ImportFault> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(ImportFault::TooManyElements);
        }
        if self.open.len() + self.skipped >= DEPTH_MAX {
            return Err(ImportFault::TooDeep);
        }
        if self.skipped > 0 {
            self.skipped += 1;
            return Ok(());
        }
        if self.root.is_some() {
            return Err(not_well_formed("a second root element"));
        }
        let local = start.local_name();
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(namespace)) => *namespace,
            ResolveResult::Unbound => "",
            ResolveResult::Unknown(prefix) => {
                return Err(not_well_formed(&format!("the prefix \"{}\" is not declared", excerpt(prefix))));
            }
        };
        let name = match self.open.last_mut() {
            None => Some(root_name(namespace, local.as_ref())?),
            Some(parent) => {
                parent.has_elements = true;
                self.known_name(namespace, local.as_ref(), line)
            }
        };
        let Some(name) = name else {
            self.skipped = 1;
            return Ok(());
        };
        self.check_attributes(start, line)?;
        self.open.push(Node { name, line, text: String::new(), children: Vec::new(), has_elements: false });
        Ok(())
    }

    /// CAP's name, or a count or warning for what is left out.
    fn known_name(&mut self, namespace: &str, local: &str, line: u32) -> Option<&'static str> {
        if namespace == schema::NAMESPACE {
            let name = schema::known(local);
            if name.is_none() {
                self.warnings.push(line, WarningCode::UnknownElement, local);
            }
            return name;
        }
        if namespace == XML_SIGNATURE && local == "Signature" {
            self.signatures += 1;
        } else {
            self.warnings.push(line, WarningCode::ForeignElement, local);
        }
        None
    }

    /// CAP has no attributes. Namespaces and those with a prefix (`xsi:schemaLocation`, `xml:lang`) mean nothing to
    /// it; one without a prefix somebody may have taken for a part of the alert.
    fn check_attributes(&mut self, start: &BytesStart<'_>, line: u32) -> Result<(), ImportFault> {
        for attribute in start.attributes() {
            let key = attribute.map_err(|error| not_well_formed(&error.to_string()))?.key;
            if key.as_namespace_binding().is_none() && key.prefix().is_none() {
                self.warnings.push(line, WarningCode::AttributeIgnored, key.as_ref());
            }
        }
        Ok(())
    }

    fn handle_end(&mut self) {
        if self.skipped > 0 {
            self.skipped -= 1;
        } else if let Some(closed) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None => self.root = Some(closed),
            }
        }
    }

    fn handle_text(&mut self, text: &str) -> Result<(), ImportFault> {
        if self.skipped > 0 {
            return Ok(());
        }
        match self.open.last_mut() {
            Some(node) => node.text.push_str(text),
            None if trim(text).is_empty() => {}
            None => return Err(not_well_formed("text outside of the root element")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Tree, ImportFault> {
        match (self.open.last(), self.root) {
            (None, Some(root)) => Ok(Tree { root, signatures: self.signatures }),
            (Some(open), _) => Err(ImportFault::Truncated { reason: format!("{} is not closed", open.name) }),
            (None, None) => Err(ImportFault::Truncated { reason: "there is no element".to_owned() }),
        }
    }
}

fn root_name(namespace: &str, local: &str) -> Result<&'static str, ImportFault> {
    if namespace == schema::NAMESPACE && local == schema::ROOT {
        return Ok(schema::ROOT);
    }
    if let Some((_, version)) = OLDER.into_iter().find(|(older, _)| *older == namespace) {
        return Err(ImportFault::UnsupportedVersion { version });
    }
    if local == schema::ROOT {
        return Err(ImportFault::WrongNamespace { found: excerpt(namespace) });
    }
    if let Some((_, kind)) = ENVELOPES.into_iter().find(|(root, _)| *root == local) {
        return Err(ImportFault::Envelope { kind });
    }
    Err(ImportFault::WrongRoot { found: excerpt(local) })
}

/// A character reference or one of the five entities of XML.
fn resolve(reference: &BytesRef<'_>) -> Result<char, ImportFault> {
    let unknown = || ImportFault::Entity { name: excerpt(reference) };
    match reference.resolve_char_ref() {
        Ok(Some(character)) if is_xml_char(character) => Ok(character),
        Ok(Some(character)) => Err(ImportFault::BadCharacter { code_point: u32::from(character) }),
        Ok(None) => resolve_xml_entity(reference).and_then(|text| text.chars().next()).ok_or_else(unknown),
        Err(_) => Err(unknown()),
    }
}

/// Says nothing: empty, or white space of any kind, as `Alert::validate` has it.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Without XML's white space at the ends; other white space, such as U+00A0, is text.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

fn not_well_formed(reason: &str) -> ImportFault {
    ImportFault::NotWellFormed { reason: reason.to_owned() }
}

/// The parser quotes names of the file in its reasons, so these are shortened and escaped too.
fn parser_fault(error: Error) -> ImportFault {
    match error {
        Error::Syntax(reason) => ImportFault::Truncated { reason: reason.to_string() },
        Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
            not_well_formed(&format!("</{}> where </{}> is expected", excerpt(&found), excerpt(&expected)))
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(found)) => {
            not_well_formed(&format!("</{}> closes nothing", excerpt(&found)))
        }
        Error::Namespace(_) => {
            not_well_formed("its namespaces are declared wrongly, or more than 128 at once")
        }
        Error::Io(_)
        | Error::IllFormed(_)
        | Error::InvalidAttr(_)
        | Error::Encoding(_)
        | Error::Escape(_) => not_well_formed(&excerpt(&error.to_string())),
    }
}

/// Counts lines as the reader moves on: the whole text once, whatever is asked.
struct Lines<'t> {
    text: &'t [u8],
    /// Up to here line feeds are counted; never goes back.
    position: usize,
    line: u32,
}

impl Lines<'_> {
    fn at(&mut self, position: u64) -> u32 {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        if position > self.position {
            let passed = self.text[self.position..position].iter().filter(|byte| **byte == b'\n').count();
            self.line = self.line.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            self.position = position;
        }
        self.line
    }
}
