//! Export: a CAP 1.2 alert as XML, from the model alone.
//!
//! Called by whoever hands alerts on to systems that speak CAP (`vigie sub --cap-dir`, `vigie cap to-xml`). What the
//! model says is all that the XML says, and reading it with [`super::import`] gives the same model again, character by
//! character. Elements stand in the order of CAP's schema.
//!
//! Valid against the schema as far as the model is: numbers, languages and addresses are kept as the issuer wrote
//! them, and [`super::examine`] warns about those that the schema does not take. A signature of the original is not
//! part of the model, so there is none here.

use vigie_proto::cap::{Alert, Area, Fault, Info, Resource, ValuePair};

use super::schema;
use super::tree::{is_blank, trim};

/// Why an alert cannot be written as XML. It came from somewhere else than the import.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It is no CAP alert.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The alert as CAP 1.2 XML, UTF-8, with a declaration and a line end at its end.
///
/// # Errors
/// [`ExportError`] when the alert does not pass [`Alert::validate`].
pub fn export(alert: &Alert) -> Result<String, ExportError> {
    let mut xml = Xml::new();
    xml.alert(alert)?;
    Ok(xml.text)
}

/// Several alerts in one XML file, as a plain list that [`super::import_all`] reads: CAP has no form of its own for it.
///
/// # Errors
/// As [`export()`], for the first alert that fails.
pub fn export_list<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Result<String, ExportError> {
    let mut xml = Xml::new();
    xml.text.push_str("<alerts>\n");
    alerts.into_iter().try_for_each(|alert| xml.alert(alert))?;
    xml.text.push_str("</alerts>\n");
    Ok(xml.text)
}

fn write_alert(xml: &mut Xml, alert: &Alert) {
    let Alert {
        identifier,
        sender,
        sent,
        status,
        msg_type,
        source,
        scope,
        restriction,
        addresses,
        code,
        note,
        references,
        incidents,
        info,
    } = alert;
    xml.token("identifier", identifier);
    xml.token("sender", sender);
    xml.token("sent", sent);
    xml.token("status", status.as_str());
    xml.token("msgType", msg_type.as_str());
    xml.texts("source", source);
    xml.token("scope", scope.as_str());
    xml.texts("restriction", restriction);
    xml.texts("addresses", addresses);
    xml.texts("code", code);
    xml.texts("note", note);
    xml.texts("references", references);
    xml.texts("incidents", incidents);
    xml.parents("info", info, write_info);
}

fn write_info(xml: &mut Xml, info: &Info) {
    let Info {
        language,
        category,
        event,
        response_type,
        urgency,
        severity,
        certainty,
        audience,
        event_code,
        effective,
        onset,
        expires,
        sender_name,
        headline,
        description,
        instruction,
        web,
        contact,
        parameter,
        resource,
        area,
    } = info;
    xml.tokens("language", language);
    xml.tokens("category", category.iter().map(|code| code.as_str()));
    xml.text("event", event);
    xml.tokens("responseType", response_type.iter().map(|code| code.as_str()));
    xml.token("urgency", urgency.as_str());
    xml.token("severity", severity.as_str());
    xml.token("certainty", certainty.as_str());
    xml.texts("audience", audience);
    xml.parents("eventCode", event_code, write_pair);
    xml.tokens("effective", effective);
    xml.tokens("onset", onset);
    xml.tokens("expires", expires);
    xml.texts("senderName", sender_name);
    xml.texts("headline", headline);
    xml.texts("description", description);
    xml.texts("instruction", instruction);
    xml.tokens("web", web);
    xml.texts("contact", contact);
    xml.parents("parameter", parameter, write_pair);
    xml.parents("resource", resource, write_resource);
    xml.parents("area", area, write_area);
}

fn write_resource(xml: &mut Xml, resource: &Resource) {
    let Resource { resource_desc, mime_type, size, uri, deref_uri, digest } = resource;
    xml.text("resourceDesc", resource_desc);
    xml.token("mimeType", mime_type);
    xml.tokens("size", size);
    xml.tokens("uri", uri);
    xml.texts("derefUri", deref_uri);
    xml.tokens("digest", digest);
}

fn write_area(xml: &mut Xml, area: &Area) {
    let Area { area_desc, polygon, circle, geocode, altitude, ceiling } = area;
    xml.leaf("areaDesc", area_desc, false);
    xml.texts("polygon", polygon);
    xml.texts("circle", circle);
    xml.parents("geocode", geocode, write_pair);
    xml.tokens("altitude", altitude);
    xml.tokens("ceiling", ceiling);
}

fn write_pair(xml: &mut Xml, pair: &ValuePair) {
    let ValuePair { value_name, value } = pair;
    xml.token("valueName", value_name);
    xml.leaf("value", value, false);
}

/// XML while it is written.
struct Xml {
    text: String,
    /// How many parents are open.
    depth: usize,
}

impl Xml {
    fn new() -> Self {
        Self { text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), depth: 0 }
    }

    fn alert(&mut self, alert: &Alert) -> Result<(), ExportError> {
        alert.validate()?;
        self.text.push_str(&format!("<alert xmlns=\"{}\">\n", schema::NAMESPACE));
        self.depth = 1;
        write_alert(self, alert);
        self.text.push_str("</alert>\n");
        Ok(())
    }

    fn parents<T>(&mut self, element: &'static str, values: &[T], write: fn(&mut Self, &T)) {
        for value in values {
            self.indent();
            self.text.push_str(&format!("<{element}>\n"));
            self.depth += 1;
            write(self, value);
            self.depth -= 1;
            self.indent();
            self.text.push_str(&format!("</{element}>\n"));
        }
    }

    /// Free text: the import takes it as it is, unless it is blank.
    fn text(&mut self, element: &'static str, text: &str) {
        self.leaf(element, text, is_blank(text));
    }

    fn texts(&mut self, element: &'static str, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        for text in texts {
            self.text(element, text.as_ref());
        }
    }

    /// A text whose ends the import would trim.
    fn token(&mut self, element: &'static str, text: &str) {
        self.leaf(element, text, is_blank(text) || trim(text).len() != text.len());
    }

    fn tokens(&mut self, element: &'static str, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        for text in texts {
            self.token(element, text.as_ref());
        }
    }

    /// `exact` where the import would else trim the text or leave it out: it keeps `value` and `areaDesc` when empty.
    fn leaf(&mut self, element: &'static str, text: &str, exact: bool) {
        self.indent();
        self.text.push_str(&format!("<{element}>"));
        if exact {
            self.text.push_str(&format!("<?{}?>", schema::EXACT));
        }
        self.escaped(text);
        self.text.push_str(&format!("</{element}>\n"));
    }

    /// `validate` has let through only characters that XML can carry.
    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                // Readers make `\n` of a bare one.
                '\r' => self.text.push_str("&#13;"),
                _ => self.text.push(character),
            }
        }
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }
}
