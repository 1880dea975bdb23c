//! From the tree to the alert: what each element becomes in the model.
//!
//! Called by the import last. Each function names the elements of one parent in the order of CAP's schema; `parts`
//! knows how often each may stand and how its text is read. What is wrong is collected, so that `examine` can list all
//! of it; a value that only stands in for something wrong never leaves the import.

use vigie_proto::cap::{
    Alert, Area, Category, Certainty, Info, MsgType, Resource, Scope, Severity, Status, Urgency, ValuePair,
    bounds,
};

use super::convert::{self, Rule};
use super::error::{ImportError, ImportFault, excerpt};
use super::parts::{Cx, Parts, code};
use super::prose::{self, embedded};
use super::schema;
use super::tree::{Node, is_blank, trim};
use super::warning::WarningCode;

pub(super) fn alert(node: Node, cx: &mut Cx<'_>) -> Alert {
    let scope = cx.options.scope;
    let mut parts = Parts::of(node, schema::ALERT, cx);
    let alert = Alert {
        identifier: parts.required_token("identifier", prose::name_for_references),
        sender: parts.required_token("sender", prose::name_for_references),
        sent: parts.required_date_time("sent"),
        status: parts.code("status", Status::Draft),
        msg_type: parts.code("msgType", MsgType::Alert),
        source: parts.text("source", prose::anything),
        scope: parts.supplied_code("scope", scope, Scope::Public),
        restriction: parts.text("restriction", prose::anything),
        addresses: parts.text("addresses", prose::anything),
        code: parts.texts("code", bounds::CODES_MAX, prose::anything),
        note: parts.text("note", prose::anything),
        references: parts.text("references", prose::references),
        incidents: parts.text("incidents", prose::anything),
        info: parts.children("info", bounds::INFOS_MAX, info),
    };
    let line = parts.line;
    prose::whole(&alert, |code, element| cx.warnings.push(line, code, element));
    alert
}

fn info(node: Node, cx: &mut Cx<'_>) -> Info {
    let category = cx.options.category;
    let mut parts = Parts::of(node, schema::INFO, cx);
    Info {
        language: parts.token("language", prose::language),
        category: categories(&mut parts, category),
        event: parts.required_text("event"),
        response_type: parts.codes("responseType", bounds::RESPONSE_TYPES_MAX),
        urgency: parts.code("urgency", Urgency::Unknown),
        severity: parts.code("severity", Severity::Unknown),
        certainty: parts.code("certainty", Certainty::Unknown),
        audience: parts.text("audience", prose::anything),
        event_code: parts.children("eventCode", bounds::EVENT_CODES_MAX, value_pair),
        effective: parts.date_time("effective"),
        onset: parts.date_time("onset"),
        expires: parts.date_time("expires"),
        sender_name: parts.text("senderName", prose::anything),
        headline: parts.text("headline", prose::anything),
        description: parts.text("description", prose::anything),
        instruction: parts.text("instruction", prose::anything),
        web: parts.token("web", prose::full_uri),
        contact: parts.text("contact", prose::anything),
        parameter: parts.children("parameter", bounds::PARAMETERS_MAX, value_pair),
        resource: parts.children("resource", bounds::RESOURCES_MAX, resource),
        area: parts.children("area", bounds::AREAS_MAX, area),
    }
}

/// At least one, or the one that the caller supplies.
fn categories(parts: &mut Parts<'_, '_>, supplied: Option<Category>) -> Vec<Category> {
    let nodes = parts.many("category", bounds::CATEGORIES_MAX);
    // One that is not readable is told as that, not as missing.
    let any = nodes.iter().any(|node| !is_blank(&node.text) || node.has_elements);
    let codes = nodes.into_iter().filter_map(|node| parts.filled(node, prose::anything));
    let codes: Vec<Node> = codes.collect();
    if any {
        return codes.into_iter().filter_map(|node| code(node, parts.cx)).collect();
    }
    match supplied {
        Some(category) => {
            parts.supplied("category");
            vec![category]
        }
        None => {
            parts.missing("category");
            Vec::new()
        }
    }
}

fn resource(node: Node, cx: &mut Cx<'_>) -> Resource {
    let mut parts = Parts::of(node, schema::RESOURCE, cx);
    let lines = ["size", "derefUri", "digest"].map(|element| parts.line_of(element));
    // A relative address names what is embedded.
    let uri_check = if parts.has("derefUri") { prose::relative_uri } else { prose::full_uri };
    let resource = Resource {
        resource_desc: parts.required_text("resourceDesc"),
        mime_type: mime_type(&mut parts),
        size: parts.token("size", prose::integer),
        uri: parts.token("uri", uri_check),
        deref_uri: parts.text("derefUri", prose::anything),
        digest: parts.token("digest", prose::digest),
    };
    embedded::check(&resource, |code, element| {
        let [size, deref_uri, digest] = lines;
        let line = match element {
            "size" => size,
            "digest" => digest,
            _ => deref_uri,
        };
        cx.warnings.push(line, code, element);
    });
    resource
}

fn mime_type(parts: &mut Parts<'_, '_>) -> String {
    if !parts.is_absent("mimeType") {
        return parts.required_token("mimeType", prose::mime_type);
    }
    parts.drop_blank("mimeType");
    if let Some(supplied) = said(&parts.cx.options.mime_type) {
        let supplied = supplied.to_owned();
        parts.supplied("mimeType");
        return supplied;
    }
    let fill = convert::rows(parts.cx.version, "mimeType").find_map(|row| match row.rule {
        Rule::Fill(value) => Some((value, row.code)),
        Rule::Namespace | Rule::Replace { .. } | Rule::LeaveOut | Rule::Split | Rule::Time => None,
    });
    match fill {
        Some((value, code)) => {
            parts.cx.warnings.push(parts.line, code, "mimeType");
            value.to_owned()
        }
        None => {
            parts.missing("mimeType");
            String::new()
        }
    }
}

/// A text that the caller supplies, unless it says nothing.
fn said(supplied: &Option<String>) -> Option<&str> {
    supplied.as_deref().filter(|text| !is_blank(text))
}

fn area(node: Node, cx: &mut Cx<'_>) -> Area {
    let mut parts = Parts::of(node, schema::AREA, cx);
    let ceiling_line = parts.line_of("ceiling");
    let area = Area {
        area_desc: parts.text_maybe_empty("areaDesc"),
        polygon: parts.texts("polygon", bounds::POLYGONS_MAX, prose::polygon),
        circle: parts.texts("circle", bounds::CIRCLES_MAX, prose::circle),
        geocode: parts.children("geocode", bounds::GEOCODES_MAX, value_pair),
        altitude: parts.token("altitude", prose::number),
        ceiling: parts.token("ceiling", prose::number),
    };
    if area.ceiling.is_some() && area.altitude.is_none() {
        cx.warnings.push(ceiling_line, WarningCode::CeilingWithoutAltitude, "ceiling");
    }
    area
}

fn value_pair(node: Node, cx: &mut Cx<'_>) -> ValuePair {
    let split = convert::rows(cx.version, node.name).find(|row| row.rule == Rule::Split);
    if let Some(row) = split
        && !node.has_elements
        && !is_blank(&node.text)
    {
        return split_pair(&node, row.code, cx);
    }
    let mut parts = Parts::of(node, schema::VALUE_PAIR, cx);
    ValuePair {
        value_name: parts.required_token("valueName", prose::anything),
        value: parts.text_maybe_empty("value"),
    }
}

/// The `key=value` of CAP 1.0: the first `=` ends the key, as values hold more of them and keys do not.
fn split_pair(node: &Node, code: WarningCode, cx: &mut Cx<'_>) -> ValuePair {
    let text = trim(&node.text);
    let named = text.split_once('=').map(|(name, value)| (trim(name), trim(value)));
    let (value_name, value) = match (named.filter(|(name, _)| !is_blank(name)), said(&cx.options.value_name))
    {
        (Some((name, value)), _) => {
            cx.warnings.push(node.line, code, node.name);
            if is_blank(value) {
                cx.warnings.push(node.line, WarningCode::EmptyKept, "value");
            }
            (name.to_owned(), value)
        }
        (None, Some(supplied)) => {
            cx.warnings.push(node.line, WarningCode::Supplied, "valueName");
            (supplied.to_owned(), text)
        }
        (None, None) => {
            let fault = ImportFault::NoValueName { element: node.name, found: excerpt(text) };
            cx.fault(ImportError::new(node.line, fault));
            (String::new(), text)
        }
    };
    ValuePair { value_name, value: value.to_owned() }
}
