//! From text to bounded trees of CAP elements, one for each alert. The only file that knows quick-xml's events.
//!
//! Called by the import with decoded text. An alert is the root, or stands anywhere in something else (an envelope),
//! of which nothing is kept but its name. Everything inside an alert that is not of CAP is counted or warned about and
//! left out here; what remains is `Node`s whose names are CAP's. Iterative: an explicit stack, at most `DEPTH_MAX`
//! high, and a count of the elements around it, at most as high again.

use quick_xml::NsReader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use vigie_proto::cap::is_xml_char;

use super::convert::{self, Rule};
use super::error::{ImportError, ImportFault, excerpt};
use super::schema;
use super::version::Version;
use super::warning::{WarningCode, Warnings};
use super::{ALERTS_MAX, DEPTH_MAX, ELEMENTS_MAX};

const XML_SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";

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
    /// Whether its white space is meant: see [`schema::EXACT`].
    pub(super) exact: bool,
}

/// One alert of a document.
#[derive(Debug)]
pub(super) struct Found {
    /// The element `alert`.
    pub(super) root: Node,
    pub(super) version: Version,
    /// XML signatures left out.
    pub(super) signatures: usize,
    pub(super) warnings: Warnings,
}

/// The alerts of a document, at least one, in its order. Each begins with a copy of `about_all`.
pub(super) fn read(text: &str, about_all: &Warnings) -> Result<Vec<Found>, ImportError> {
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;

    let mut lines = Lines { text: text.as_bytes(), position: 0, line: 1 };
    let mut growing = Growing::new(about_all);
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
            Event::PI(instruction) => growing.handle_instruction(&instruction),
            Event::DocType(_) => return Err(at_line(ImportFault::Doctype)),
            Event::Decl(_) if start > 0 => return Err(at_line(not_well_formed("an XML declaration inside"))),
            Event::Decl(_) | Event::Comment(_) => {}
            // Not given, as `expand_empty_elements` asks for a start and an end instead.
            Event::Empty(_) => {}
            Event::Eof => return growing.finish(line),
        }
    }
}

/// The trees while they are read.
struct Growing<'w> {
    /// What each alert begins with.
    about_all: &'w Warnings,
    /// Name and line of the root, once it was met.
    root: Option<(String, u32)>,
    /// How many elements are open around the alert; at most `DEPTH_MAX`.
    around: usize,
    /// The alert that is open.
    current: Option<Current>,
    found: Vec<Found>,
    /// An `alert` in an envelope that is in no namespace of CAP: where, and in which.
    strange: Option<(u32, String)>,
    elements: usize,
}

/// An alert while it is read.
struct Current {
    version: Version,
    /// From the alert down to where we are; at most `DEPTH_MAX` with `skipped`.
    open: Vec<Node>,
    /// How deep we are inside an element that is left out; 0 when we are not.
    skipped: usize,
    signatures: usize,
    warnings: Warnings,
}

impl<'w> Growing<'w> {
    const fn new(about_all: &'w Warnings) -> Self {
        Self {
            about_all,
            root: None,
            around: 0,
            current: None,
            found: Vec::new(),
            strange: None,
            elements: 0,
        }
    }

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
        if let Some(current) = &mut self.current {
            return current.handle_start(namespace, start, line);
        }
        if self.root.is_some() && self.around == 0 {
            return Err(not_well_formed("a second root element"));
        }
        let namespace = bound(namespace)?;
        let local = start.local_name();
        let local: &str = local.as_ref();
        let version = Version::of_namespace(namespace);
        let root = self.root.get_or_insert_with(|| (local.to_owned(), line));
        match version {
            Some(version) if local == schema::ROOT => {
                if self.found.len() >= ALERTS_MAX {
                    return Err(ImportFault::TooManyAlerts);
                }
                let mut warnings = self.about_all.clone();
                if self.around > 0 {
                    warnings.push(line, WarningCode::InEnvelope, &root.0);
                }
                let mut current = Current { version, open: Vec::new(), skipped: 0, signatures: 0, warnings };
                for row in convert::rows(version, schema::ROOT).filter(|row| row.rule == Rule::Namespace) {
                    current.warnings.push(line, row.code, schema::ROOT);
                }
                current.push(schema::ROOT, start, line)?;
                self.current = Some(current);
            }
            _ if local == schema::ROOT && self.around == 0 => {
                return Err(ImportFault::WrongNamespace { found: excerpt(namespace) });
            }
            _ => {
                if local == schema::ROOT && self.strange.is_none() {
                    self.strange = Some((line, excerpt(namespace)));
                }
                if self.around >= DEPTH_MAX {
                    return Err(ImportFault::TooDeep);
                }
                self.around += 1;
            }
        }
        Ok(())
    }

    fn handle_end(&mut self) {
        let Some(mut current) = self.current.take() else {
            self.around = self.around.saturating_sub(1);
            return;
        };
        match current.handle_end() {
            Some(root) => {
                let Current { version, signatures, warnings, .. } = current;
                self.found.push(Found { root, version, signatures, warnings });
            }
            None => self.current = Some(current),
        }
    }

    fn handle_text(&mut self, text: &str) -> Result<(), ImportFault> {
        match &mut self.current {
            Some(current) => current.handle_text(text),
            None if self.around > 0 || trim(text).is_empty() => {}
            None => return Err(not_well_formed("text outside of the root element")),
        }
        Ok(())
    }

    fn handle_instruction(&mut self, instruction: &str) {
        if let Some(current) = &mut self.current
            && current.skipped == 0
            && instruction == schema::EXACT
            && let Some(node) = current.open.last_mut()
        {
            node.exact = true;
        }
    }

    fn finish(self, line: u32) -> Result<Vec<Found>, ImportError> {
        let truncated = |reason| Err(ImportError::new(line, ImportFault::Truncated { reason }));
        let Some((root, root_line)) = self.root else {
            return truncated("there is no element".to_owned());
        };
        if let Some(open) = self.current.as_ref().and_then(|current| current.open.last()) {
            return truncated(format!("{} is not closed", open.name));
        }
        if self.around > 0 {
            return truncated(format!("{} is not closed", excerpt(&root)));
        }
        if !self.found.is_empty() {
            return Ok(self.found);
        }
        if let Some((line, found)) = self.strange {
            return Err(ImportError::new(line, ImportFault::WrongNamespace { found }));
        }
        let fault = match ENVELOPES.into_iter().find(|(name, _)| *name == root) {
            Some((_, kind)) => ImportFault::NoAlert { kind },
            None => ImportFault::WrongRoot { found: excerpt(&root) },
        };
        Err(ImportError::new(root_line, fault))
    }
}

impl Current {
    fn handle_start(
        &mut self,
        namespace: &ResolveResult<'_>,
        start: &BytesStart<'_>,
        line: u32,
    ) -> Result<(), ImportFault> {
        if self.open.len() + self.skipped >= DEPTH_MAX {
            return Err(ImportFault::TooDeep);
        }
        if self.skipped > 0 {
            self.skipped += 1;
            return Ok(());
        }
        let namespace = bound(namespace)?;
        if let Some(parent) = self.open.last_mut() {
            parent.has_elements = true;
        }
        let local = start.local_name();
        match self.known_name(namespace, local.as_ref(), line) {
            Some(name) => self.push(name, start, line),
            None => {
                self.skipped = 1;
                Ok(())
            }
        }
    }

    fn push(&mut self, name: &'static str, start: &BytesStart<'_>, line: u32) -> Result<(), ImportFault> {
        self.check_attributes(start, line)?;
        let (text, children) = (String::new(), Vec::new());
        self.open.push(Node { name, line, text, children, has_elements: false, exact: false });
        Ok(())
    }

    /// CAP's name, or a count or warning for what is left out.
    fn known_name(&mut self, namespace: &str, local: &str, line: u32) -> Option<&'static str> {
        if namespace == self.version.namespace() {
            let left_out = convert::rows(self.version, local).find(|row| row.rule == Rule::LeaveOut);
            if let Some(row) = left_out {
                self.warnings.push(line, row.code, row.element);
                return None;
            }
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

    /// The alert, if this was its end.
    fn handle_end(&mut self) -> Option<Node> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return None;
        }
        let closed = self.open.pop()?;
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(closed);
                None
            }
            None => Some(closed),
        }
    }

    fn handle_text(&mut self, text: &str) {
        if self.skipped == 0
            && let Some(node) = self.open.last_mut()
        {
            node.text.push_str(text);
        }
    }
}

fn bound<'n>(namespace: &ResolveResult<'n>) -> Result<&'n str, ImportFault> {
    match namespace {
        ResolveResult::Bound(Namespace(namespace)) => Ok(namespace),
        ResolveResult::Unbound => Ok(""),
        ResolveResult::Unknown(prefix) => {
            Err(not_well_formed(&format!("the prefix \"{}\" is not declared", excerpt(prefix))))
        }
    }
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
