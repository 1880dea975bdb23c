//! The elements of one parent: taken once each by name, counted, and read as texts, tokens, times or codes.
//!
//! Used by `build` only. A fault is put on the list and something stands in for the value, so that one pass finds all
//! faults of a file.

use std::str::FromStr;

use vigie_proto::cap::{UnknownCode, is_date_time};

use super::convert::{self, Rule};
use super::error::{ImportError, ImportFault, excerpt};
use super::options::ImportOptions;
use super::prose::{self, Check};
use super::tree::{Node, is_blank, trim};
use super::version::Version;
use super::warning::{WarningCode, Warnings};

/// Most faults kept: more than anybody mends in one go.
const FAULTS_MAX: usize = 256;

/// What reading an alert needs to know, and what it finds.
#[derive(Debug)]
pub(super) struct Cx<'o> {
    pub(super) options: &'o ImportOptions,
    pub(super) version: Version,
    pub(super) warnings: Warnings,
    /// In the order of the schema; at most [`FAULTS_MAX`].
    pub(super) faults: Vec<ImportError>,
}

impl Cx<'_> {
    pub(super) fn fault(&mut self, error: ImportError) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(error);
        }
    }
}

#[derive(Debug)]
pub(super) struct Parts<'c, 'o> {
    parent: &'static str,
    /// Where the parent starts.
    pub(super) line: u32,
    /// In the order of the file.
    nodes: Vec<Node>,
    pub(super) cx: &'c mut Cx<'o>,
}

impl<'c, 'o> Parts<'c, 'o> {
    pub(super) fn of(node: Node, order: &[&str], cx: &'c mut Cx<'o>) -> Self {
        if !is_blank(&node.text) {
            cx.warnings.push(node.line, WarningCode::TextIgnored, node.name);
        }
        let mut furthest = 0;
        let mut nodes = node.children;
        nodes.retain(|child| {
            let Some(place) = order.iter().position(|name| *name == child.name) else {
                cx.warnings.push(child.line, WarningCode::UnknownElement, child.name);
                return false;
            };
            if place < furthest {
                cx.warnings.push(child.line, WarningCode::ElementOrder, child.name);
            }
            furthest = furthest.max(place);
            true
        });
        Self { parent: node.name, line: node.line, nodes, cx }
    }

    /// Where the first of an element starts, or else the parent.
    pub(super) fn line_of(&self, element: &str) -> u32 {
        self.nodes.iter().find(|node| node.name == element).map_or(self.line, |node| node.line)
    }

    /// Whether one says something.
    pub(super) fn has(&self, element: &str) -> bool {
        !self.is_absent(element)
    }

    /// Whether none says anything.
    pub(super) fn is_absent(&self, element: &str) -> bool {
        self.nodes.iter().filter(|node| node.name == element).all(says_nothing)
    }

    pub(super) fn missing(&mut self, element: &'static str) {
        let fault = ImportFault::MissingElement { parent: self.parent, element };
        self.cx.fault(ImportError::new(self.line, fault));
    }

    pub(super) fn supplied(&mut self, element: &str) {
        self.cx.warnings.push(self.line, WarningCode::Supplied, element);
    }

    /// Takes away those that say nothing, each with a warning.
    pub(super) fn drop_blank(&mut self, element: &'static str) {
        for node in self.many(element, usize::MAX) {
            self.cx.warnings.push(node.line, WarningCode::EmptyDropped, element);
        }
    }

    pub(super) fn many(&mut self, element: &'static str, max: usize) -> Vec<Node> {
        let mut taken: Vec<Node> = self.nodes.extract_if(.., |node| node.name == element).collect();
        if let Some(beyond) = taken.get(max) {
            let fault = ImportFault::TooMany { element, found: taken.len(), max };
            self.cx.fault(ImportError::new(beyond.line, fault));
            taken.truncate(max);
        }
        taken
    }

    fn maybe(&mut self, element: &'static str) -> Option<Node> {
        let mut taken = self.many(element, usize::MAX).into_iter();
        let first = taken.next();
        if let Some(second) = taken.next() {
            let fault = ImportFault::RepeatedElement { parent: self.parent, element };
            self.cx.fault(ImportError::new(second.line, fault));
        }
        first
    }

    fn one(&mut self, element: &'static str) -> Option<Node> {
        let node = self.maybe(element);
        if node.is_none() {
            self.missing(element);
        }
        node
    }

    /// One that says something.
    fn one_filled(&mut self, element: &'static str) -> Option<Node> {
        let node = self.one(element)?;
        if is_blank(&node.text) && !node.has_elements {
            self.cx.fault(ImportError::new(node.line, ImportFault::EmptyElement { element }));
            return None;
        }
        Some(node)
    }

    pub(super) fn children<T>(
        &mut self,
        element: &'static str,
        max: usize,
        build: fn(Node, &mut Cx<'o>) -> T,
    ) -> Vec<T> {
        self.many(element, max).into_iter().map(|node| build(node, self.cx)).collect()
    }

    /// Required free text, exactly as written.
    pub(super) fn required_text(&mut self, element: &'static str) -> String {
        self.one_filled(element).map(|node| leaf(node, self.cx)).unwrap_or_default()
    }

    /// Required token, trimmed.
    pub(super) fn required_token(&mut self, element: &'static str, check: Check) -> String {
        let Some(node) = self.one_filled(element) else { return String::new() };
        self.look(&node, check);
        token(node, self.cx)
    }

    pub(super) fn required_date_time(&mut self, element: &'static str) -> String {
        self.one_filled(element).and_then(|node| date_time(node, self.cx)).unwrap_or_default()
    }

    /// Required by CAP, but empty in many real alerts.
    pub(super) fn text_maybe_empty(&mut self, element: &'static str) -> String {
        let Some(node) = self.one(element) else { return String::new() };
        if is_blank(&node.text) {
            self.cx.warnings.push(node.line, WarningCode::EmptyKept, element);
        }
        leaf(node, self.cx)
    }

    /// Optional free text, exactly as written. Blank says nothing and is left out.
    pub(super) fn text(&mut self, element: &'static str, check: Check) -> Option<String> {
        let node = self.maybe(element)?;
        let node = self.filled(node, check)?;
        Some(leaf(node, self.cx))
    }

    /// Repeatable free text, exactly as written. Blank ones are left out.
    pub(super) fn texts(&mut self, element: &'static str, max: usize, check: Check) -> Vec<String> {
        let mut texts = Vec::new();
        for node in self.many(element, max) {
            if let Some(node) = self.filled(node, check) {
                texts.push(leaf(node, self.cx));
            }
        }
        texts
    }

    /// Optional token, trimmed. Blank is left out.
    pub(super) fn token(&mut self, element: &'static str, check: Check) -> Option<String> {
        let node = self.maybe(element)?;
        let node = self.filled(node, check)?;
        Some(token(node, self.cx))
    }

    pub(super) fn date_time(&mut self, element: &'static str) -> Option<String> {
        let node = self.maybe(element)?;
        let node = self.filled(node, prose::anything)?;
        date_time(node, self.cx)
    }

    /// A required code. `stand_in` only keeps the reading going after a fault.
    pub(super) fn code<T: FromStr<Err = UnknownCode>>(&mut self, element: &'static str, stand_in: T) -> T {
        self.one_filled(element).and_then(|node| code(node, self.cx)).unwrap_or(stand_in)
    }

    /// As [`Parts::code`], where the caller may have supplied what is missing.
    pub(super) fn supplied_code<T: FromStr<Err = UnknownCode>>(
        &mut self,
        element: &'static str,
        supplied: Option<T>,
        stand_in: T,
    ) -> T {
        match supplied {
            Some(supplied) if self.is_absent(element) => {
                self.drop_blank(element);
                self.supplied(element);
                supplied
            }
            Some(_) | None => self.code(element, stand_in),
        }
    }

    pub(super) fn codes<T: FromStr<Err = UnknownCode>>(
        &mut self,
        element: &'static str,
        max: usize,
    ) -> Vec<T> {
        let mut codes = Vec::new();
        for node in self.many(element, max) {
            if let Some(node) = self.filled(node, prose::anything) {
                codes.extend(code(node, self.cx));
            }
        }
        codes
    }

    /// The node if it says something, checked; otherwise a warning.
    pub(super) fn filled(&mut self, node: Node, check: Check) -> Option<Node> {
        // With elements inside it is not empty but unreadable: kept, for `leaf` to refuse.
        if says_nothing(&node) {
            let is_shape = matches!(node.name, "polygon" | "circle");
            let code = if is_shape { WarningCode::EmptyShape } else { WarningCode::EmptyDropped };
            self.cx.warnings.push(node.line, code, node.name);
            return None;
        }
        self.look(&node, check);
        Some(node)
    }

    fn look(&mut self, node: &Node, check: Check) {
        if let Some(code) = check(trim(&node.text)) {
            self.cx.warnings.push(node.line, code, node.name);
        }
    }
}

fn says_nothing(node: &Node) -> bool {
    is_blank(&node.text) && !node.has_elements && !node.exact
}

/// The text, exactly as written.
fn leaf(node: Node, cx: &mut Cx<'_>) -> String {
    if node.has_elements {
        cx.fault(ImportError::new(node.line, ImportFault::MarkupInText { element: node.name }));
    }
    node.text
}

fn token(node: Node, cx: &mut Cx<'_>) -> String {
    if node.exact {
        return leaf(node, cx);
    }
    let text = leaf(node, cx);
    let trimmed = trim(&text);
    if trimmed.len() == text.len() { text } else { trimmed.to_owned() }
}

/// `None` after a fault.
fn date_time(node: Node, cx: &mut Cx<'_>) -> Option<String> {
    let (line, element, has_elements) = (node.line, node.name, node.has_elements);
    let text = token(node, cx);
    if has_elements || is_date_time(&text) {
        return Some(text);
    }
    let row = convert::rows(cx.version, element).find(|row| row.rule == Rule::Time);
    let bad = || ImportFault::BadDateTime { element, found: excerpt(&text) };
    let Some(row) = row else {
        cx.fault(ImportError::new(line, bad()));
        return None;
    };
    let fault = match convert::time(&text, cx.options.zone.as_ref()) {
        convert::Time::Converted(time) => {
            cx.warnings.push(line, row.code, element);
            return Some(time);
        }
        convert::Time::Supplied(time) => {
            cx.warnings.push(line, WarningCode::Supplied, element);
            return Some(time);
        }
        convert::Time::WithoutZone => ImportFault::NoZone { element, found: excerpt(&text) },
        convert::Time::Malformed => bad(),
    };
    cx.fault(ImportError::new(line, fault));
    None
}

/// `None` after a fault.
pub(super) fn code<T: FromStr<Err = UnknownCode>>(node: Node, cx: &mut Cx<'_>) -> Option<T> {
    let (line, element, has_elements) = (node.line, node.name, node.has_elements);
    let text = token(node, cx);
    if has_elements {
        return None;
    }
    let error = match text.parse() {
        Ok(code) => return Some(code),
        Err(error) => error,
    };
    let replaced = convert::rows(cx.version, element).find_map(|row| match row.rule {
        Rule::Replace { from, to } if from == text => Some((to.parse().ok()?, row.code)),
        Rule::Replace { .. }
        | Rule::Namespace
        | Rule::Fill(_)
        | Rule::LeaveOut
        | Rule::Split
        | Rule::Time => None,
    });
    if let Some((code, warning)) = replaced {
        cx.warnings.push(line, warning, element);
        return Some(code);
    }
    cx.fault(ImportError::new(line, ImportFault::bad_code(error, &text)));
    None
}
