//! From the tree to the alert: which element may stand where, how often, and how its text is read.
//!
//! Called by the import last. Each function names the elements of one parent in the order of CAP's schema. What is
//! missing, doubled or unreadable is refused; order and empty optional elements are warned about.

use std::str::FromStr;

use vigie_proto::cap::{Alert, Area, Info, Resource, UnknownCode, ValuePair, bounds, is_date_time};

use super::error::{ImportError, ImportFault, excerpt};
use super::prose::{self, Check};
use super::schema;
use super::tree::{Node, is_blank, trim};
use super::warning::{WarningCode, Warnings};

pub(super) fn alert(node: Node, warnings: &mut Warnings) -> Result<Alert, ImportError> {
    let mut parts = Parts::of(node, schema::ALERT, warnings);
    let alert = Alert {
        identifier: parts.required_token("identifier", prose::name_for_references)?,
        sender: parts.required_token("sender", prose::name_for_references)?,
        sent: parts.required_date_time("sent")?,
        status: parts.code("status")?,
        msg_type: parts.code("msgType")?,
        source: parts.text("source", prose::anything)?,
        scope: parts.code("scope")?,
        restriction: parts.text("restriction", prose::anything)?,
        addresses: parts.text("addresses", prose::anything)?,
        code: parts.texts("code", bounds::CODES_MAX, prose::anything)?,
        note: parts.text("note", prose::anything)?,
        references: parts.text("references", prose::references)?,
        incidents: parts.text("incidents", prose::anything)?,
        info: parts.children("info", bounds::INFOS_MAX, info)?,
    };
    let line = parts.line;
    prose::whole(&alert, |code, element| warnings.push(line, code, element));
    Ok(alert)
}

fn info(node: Node, warnings: &mut Warnings) -> Result<Info, ImportError> {
    let mut parts = Parts::of(node, schema::INFO, warnings);
    Ok(Info {
        language: parts.token("language", prose::language)?,
        category: parts.required_codes("category", bounds::CATEGORIES_MAX)?,
        event: parts.required_text("event")?,
        response_type: parts.codes("responseType", bounds::RESPONSE_TYPES_MAX)?,
        urgency: parts.code("urgency")?,
        severity: parts.code("severity")?,
        certainty: parts.code("certainty")?,
        audience: parts.text("audience", prose::anything)?,
        event_code: parts.children("eventCode", bounds::EVENT_CODES_MAX, value_pair)?,
        effective: parts.date_time("effective")?,
        onset: parts.date_time("onset")?,
        expires: parts.date_time("expires")?,
        sender_name: parts.text("senderName", prose::anything)?,
        headline: parts.text("headline", prose::anything)?,
        description: parts.text("description", prose::anything)?,
        instruction: parts.text("instruction", prose::anything)?,
        web: parts.token("web", prose::anything)?,
        contact: parts.text("contact", prose::anything)?,
        parameter: parts.children("parameter", bounds::PARAMETERS_MAX, value_pair)?,
        resource: parts.children("resource", bounds::RESOURCES_MAX, resource)?,
        area: parts.children("area", bounds::AREAS_MAX, area)?,
    })
}

fn resource(node: Node, warnings: &mut Warnings) -> Result<Resource, ImportError> {
    let mut parts = Parts::of(node, schema::RESOURCE, warnings);
    Ok(Resource {
        resource_desc: parts.required_text("resourceDesc")?,
        mime_type: parts.required_token("mimeType", prose::anything)?,
        size: parts.token("size", prose::number)?,
        uri: parts.token("uri", prose::anything)?,
        deref_uri: parts.text("derefUri", prose::anything)?,
        digest: parts.token("digest", prose::anything)?,
    })
}

fn area(node: Node, warnings: &mut Warnings) -> Result<Area, ImportError> {
    let mut parts = Parts::of(node, schema::AREA, warnings);
    let area = Area {
        area_desc: parts.text_maybe_empty("areaDesc")?,
        polygon: parts.texts("polygon", bounds::POLYGONS_MAX, prose::polygon)?,
        circle: parts.texts("circle", bounds::CIRCLES_MAX, prose::circle)?,
        geocode: parts.children("geocode", bounds::GEOCODES_MAX, value_pair)?,
        altitude: parts.token("altitude", prose::number)?,
        ceiling: parts.token("ceiling", prose::number)?,
    };
    if area.ceiling.is_some() && area.altitude.is_none() {
        let line = parts.line;
        warnings.push(line, WarningCode::CeilingWithoutAltitude, "ceiling");
    }
    Ok(area)
}

fn value_pair(node: Node, warnings: &mut Warnings) -> Result<ValuePair, ImportError> {
    let mut parts = Parts::of(node, schema::VALUE_PAIR, warnings);
    Ok(ValuePair {
        value_name: parts.required_token("valueName", prose::anything)?,
        value: parts.text_maybe_empty("value")?,
    })
}

/// The elements of one parent, by name, each taken once.
struct Parts<'w> {
    parent: &'static str,
    /// Where the parent starts.
    line: u32,
    /// In the order of the file.
    nodes: Vec<Node>,
    warnings: &'w mut Warnings,
}

impl<'w> Parts<'w> {
    fn of(node: Node, order: &[&str], warnings: &'w mut Warnings) -> Self {
        if !is_blank(&node.text) {
            warnings.push(node.line, WarningCode::TextIgnored, node.name);
        }
        let mut furthest = 0;
        let mut nodes = node.children;
        nodes.retain(|child| {
            let Some(place) = order.iter().position(|name| *name == child.name) else {
                warnings.push(child.line, WarningCode::UnknownElement, child.name);
                return false;
            };
            if place < furthest {
                warnings.push(child.line, WarningCode::ElementOrder, child.name);
            }
            furthest = furthest.max(place);
            true
        });
        Self { parent: node.name, line: node.line, nodes, warnings }
    }

    fn many(&mut self, element: &'static str, max: usize) -> Result<Vec<Node>, ImportError> {
        let taken: Vec<Node> = self.nodes.extract_if(.., |node| node.name == element).collect();
        match taken.get(max) {
            None => Ok(taken),
            Some(beyond) => {
                let fault = ImportFault::TooMany { element, found: taken.len(), max };
                Err(ImportError::new(beyond.line, fault))
            }
        }
    }

    fn maybe(&mut self, element: &'static str) -> Result<Option<Node>, ImportError> {
        let mut taken = self.many(element, usize::MAX)?.into_iter();
        let first = taken.next();
        match taken.next() {
            None => Ok(first),
            Some(second) => {
                let fault = ImportFault::RepeatedElement { parent: self.parent, element };
                Err(ImportError::new(second.line, fault))
            }
        }
    }

    fn one(&mut self, element: &'static str) -> Result<Node, ImportError> {
        self.maybe(element)?.ok_or_else(|| self.missing(element))
    }

    const fn missing(&self, element: &'static str) -> ImportError {
        ImportError::new(self.line, ImportFault::MissingElement { parent: self.parent, element })
    }

    fn children<T>(
        &mut self,
        element: &'static str,
        max: usize,
        build: fn(Node, &mut Warnings) -> Result<T, ImportError>,
    ) -> Result<Vec<T>, ImportError> {
        self.many(element, max)?.into_iter().map(|node| build(node, self.warnings)).collect()
    }

    /// Required free text, exactly as written.
    fn required_text(&mut self, element: &'static str) -> Result<String, ImportError> {
        let node = self.one(element)?;
        not_blank(&node)?;
        leaf(node)
    }

    /// Required token, trimmed.
    fn required_token(&mut self, element: &'static str, check: Check) -> Result<String, ImportError> {
        let node = self.one(element)?;
        not_blank(&node)?;
        self.look(&node, check);
        token(node)
    }

    fn required_date_time(&mut self, element: &'static str) -> Result<String, ImportError> {
        let node = self.one(element)?;
        not_blank(&node)?;
        date_time(node)
    }

    /// Required by CAP, but empty in many real alerts.
    fn text_maybe_empty(&mut self, element: &'static str) -> Result<String, ImportError> {
        let node = self.one(element)?;
        if is_blank(&node.text) {
            self.warnings.push(node.line, WarningCode::EmptyKept, element);
        }
        leaf(node)
    }

    /// Optional free text, exactly as written. Blank says nothing and is left out.
    fn text(&mut self, element: &'static str, check: Check) -> Result<Option<String>, ImportError> {
        let Some(node) = self.maybe(element)? else { return Ok(None) };
        self.filled(node, check).map(leaf).transpose()
    }

    /// Repeatable free text, exactly as written. Blank ones are left out.
    fn texts(&mut self, element: &'static str, max: usize, check: Check) -> Result<Vec<String>, ImportError> {
        let nodes = self.many(element, max)?;
        nodes.into_iter().filter_map(|node| self.filled(node, check)).map(leaf).collect()
    }

    /// Optional token, trimmed. Blank is left out.
    fn token(&mut self, element: &'static str, check: Check) -> Result<Option<String>, ImportError> {
        let Some(node) = self.maybe(element)? else { return Ok(None) };
        self.filled(node, check).map(token).transpose()
    }

    fn date_time(&mut self, element: &'static str) -> Result<Option<String>, ImportError> {
        let Some(node) = self.maybe(element)? else { return Ok(None) };
        self.filled(node, prose::anything).map(date_time).transpose()
    }

    fn code<T: FromStr<Err = UnknownCode>>(&mut self, element: &'static str) -> Result<T, ImportError> {
        code(self.one(element)?)
    }

    fn codes<T: FromStr<Err = UnknownCode>>(
        &mut self,
        element: &'static str,
        max: usize,
    ) -> Result<Vec<T>, ImportError> {
        let nodes = self.many(element, max)?;
        nodes.into_iter().filter_map(|node| self.filled(node, prose::anything)).map(code).collect()
    }

    fn required_codes<T: FromStr<Err = UnknownCode>>(
        &mut self,
        element: &'static str,
        max: usize,
    ) -> Result<Vec<T>, ImportError> {
        let codes = self.codes(element, max)?;
        if codes.is_empty() { Err(self.missing(element)) } else { Ok(codes) }
    }

    /// The node if it says something, checked; otherwise a warning.
    fn filled(&mut self, node: Node, check: Check) -> Option<Node> {
        // With elements inside it is not empty but unreadable: kept, for `leaf` to refuse.
        if is_blank(&node.text) && !node.has_elements {
            self.warnings.push(node.line, WarningCode::EmptyDropped, node.name);
            return None;
        }
        self.look(&node, check);
        Some(node)
    }

    fn look(&mut self, node: &Node, check: Check) {
        if let Some(code) = check(trim(&node.text)) {
            self.warnings.push(node.line, code, node.name);
        }
    }
}

fn not_blank(node: &Node) -> Result<(), ImportError> {
    if is_blank(&node.text) && !node.has_elements {
        return Err(ImportError::new(node.line, ImportFault::EmptyElement { element: node.name }));
    }
    Ok(())
}

/// The text, exactly as written.
fn leaf(node: Node) -> Result<String, ImportError> {
    if node.has_elements {
        return Err(ImportError::new(node.line, ImportFault::MarkupInText { element: node.name }));
    }
    Ok(node.text)
}

fn token(node: Node) -> Result<String, ImportError> {
    leaf(node).map(|text| trim(&text).to_owned())
}

fn date_time(node: Node) -> Result<String, ImportError> {
    let (line, element) = (node.line, node.name);
    let text = token(node)?;
    if is_date_time(&text) {
        return Ok(text);
    }
    Err(ImportError::new(line, ImportFault::BadDateTime { element, found: excerpt(&text) }))
}

fn code<T: FromStr<Err = UnknownCode>>(node: Node) -> Result<T, ImportError> {
    let line = node.line;
    let text = token(node)?;
    text.parse().map_err(|error| ImportError::new(line, ImportFault::bad_code(error, &text)))
}
