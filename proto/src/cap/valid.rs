//! What the form of an alert demands and its types do not say: moments that exist, texts that say something and that
//! XML can carry, bounds.

use super::alert::Alert;
use super::date_time::is_date_time;
use super::info::{Area, Info, Resource, ValuePair};

/// How often an element may repeat. CAP itself has no bounds; a message is at most 256 KiB anyway, and these keep what
/// a reader must lay out within what a screen and a person can take. The largest counts seen in a hundred real alerts
/// of 22 countries stand beside each.
pub mod bounds {
    /// `code` in an alert. Largest seen: 6.
    pub const CODES_MAX: usize = 64;
    /// `info` in an alert: every official language of the European Union, twice. Largest seen: 4.
    pub const INFOS_MAX: usize = 64;
    /// `category` in an info: CAP has twelve, and nothing is gained by repeating one.
    pub const CATEGORIES_MAX: usize = 12;
    /// `responseType` in an info: CAP has nine, and nothing is gained by repeating one.
    pub const RESPONSE_TYPES_MAX: usize = 9;
    /// `eventCode` in an info. Largest seen: 8.
    pub const EVENT_CODES_MAX: usize = 64;
    /// `parameter` in an info. Largest seen: 38.
    pub const PARAMETERS_MAX: usize = 512;
    /// `resource` in an info. Largest seen: 3.
    pub const RESOURCES_MAX: usize = 32;
    /// `area` in an info: every département and municipality of a stricken region by name. Largest seen: 73.
    pub const AREAS_MAX: usize = 1_024;
    /// `polygon` in an area. Largest seen: 2.
    pub const POLYGONS_MAX: usize = 256;
    /// `circle` in an area. Largest seen: 1.
    pub const CIRCLES_MAX: usize = 256;
    /// `geocode` in an area: the municipalities of the largest French region are about 5,100. Largest seen: 30.
    pub const GEOCODES_MAX: usize = 6_144;
}

/// Why an alert of the right types is still not a CAP alert. Content to correct: the author's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A required text is empty or blank.
    #[error("CAP {element} is empty: it must say something")]
    Empty {
        /// CAP's name of the element.
        element: &'static str,
    },
    /// A text has a character that XML 1.0 does not have, in any spelling: the alert could never leave as CAP.
    #[error("CAP {element} has the character U+{code_point:04X}, which XML cannot carry: take it out")]
    Character {
        /// CAP's name of the element.
        element: &'static str,
        /// The first such character.
        code_point: u32,
    },
    /// A time is not written as CAP writes times, or does not exist.
    #[error("CAP {element} is not a date and time of the form 2026-06-01T10:00:00+02:00")]
    DateTime {
        /// CAP's name of the element.
        element: &'static str,
    },
    /// An info has no category.
    #[error("CAP {element} is missing: give at least one")]
    Missing {
        /// CAP's name of the element.
        element: &'static str,
    },
    /// An element repeats more often than [`bounds`] allow.
    #[error("CAP {element} is given {found} times, at most {max} are allowed: split the alert")]
    TooMany {
        /// CAP's name of the element.
        element: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be in one parent.
        max: usize,
    },
}

impl Alert {
    /// Checks what the types do not say: the form of times, required texts, characters, and [`bounds`].
    ///
    /// Empty `value` and `areaDesc` pass, since real issuers send them. Times are not compared with any clock.
    ///
    /// # Errors
    /// The first [`Fault`] in the order of the elements.
    pub fn validate(&self) -> Result<(), Fault> {
        says_something("identifier", &self.identifier)?;
        says_something("sender", &self.sender)?;
        date_time("sent", Some(&self.sent))?;
        carried("source", &self.source)?;
        carried("restriction", &self.restriction)?;
        carried("addresses", &self.addresses)?;
        at_most("code", self.code.len(), bounds::CODES_MAX)?;
        carried("code", &self.code)?;
        carried("note", &self.note)?;
        carried("references", &self.references)?;
        carried("incidents", &self.incidents)?;
        at_most("info", self.info.len(), bounds::INFOS_MAX)?;
        self.info.iter().try_for_each(validate_info)
    }
}

fn validate_info(info: &Info) -> Result<(), Fault> {
    carried("language", &info.language)?;
    if info.category.is_empty() {
        return Err(Fault::Missing { element: "category" });
    }
    at_most("category", info.category.len(), bounds::CATEGORIES_MAX)?;
    says_something("event", &info.event)?;
    at_most("responseType", info.response_type.len(), bounds::RESPONSE_TYPES_MAX)?;
    carried("audience", &info.audience)?;
    at_most("eventCode", info.event_code.len(), bounds::EVENT_CODES_MAX)?;
    info.event_code.iter().try_for_each(validate_pair)?;
    date_time("effective", info.effective.as_deref())?;
    date_time("onset", info.onset.as_deref())?;
    date_time("expires", info.expires.as_deref())?;
    carried("senderName", &info.sender_name)?;
    carried("headline", &info.headline)?;
    carried("description", &info.description)?;
    carried("instruction", &info.instruction)?;
    carried("web", &info.web)?;
    carried("contact", &info.contact)?;
    at_most("parameter", info.parameter.len(), bounds::PARAMETERS_MAX)?;
    info.parameter.iter().try_for_each(validate_pair)?;
    at_most("resource", info.resource.len(), bounds::RESOURCES_MAX)?;
    info.resource.iter().try_for_each(validate_resource)?;
    at_most("area", info.area.len(), bounds::AREAS_MAX)?;
    info.area.iter().try_for_each(validate_area)
}

fn validate_resource(resource: &Resource) -> Result<(), Fault> {
    says_something("resourceDesc", &resource.resource_desc)?;
    says_something("mimeType", &resource.mime_type)?;
    carried("size", &resource.size)?;
    carried("uri", &resource.uri)?;
    carried("derefUri", &resource.deref_uri)?;
    carried("digest", &resource.digest)
}

fn validate_area(area: &Area) -> Result<(), Fault> {
    carried("areaDesc", [&area.area_desc])?;
    at_most("polygon", area.polygon.len(), bounds::POLYGONS_MAX)?;
    carried("polygon", &area.polygon)?;
    at_most("circle", area.circle.len(), bounds::CIRCLES_MAX)?;
    carried("circle", &area.circle)?;
    at_most("geocode", area.geocode.len(), bounds::GEOCODES_MAX)?;
    area.geocode.iter().try_for_each(validate_pair)?;
    carried("altitude", &area.altitude)?;
    carried("ceiling", &area.ceiling)
}

fn validate_pair(pair: &ValuePair) -> Result<(), Fault> {
    says_something("valueName", &pair.value_name)?;
    carried("value", [&pair.value])
}

/// Whether it may stand in XML 1.0 (section 2.2), which has no spelling for the others, not even as a reference. What is signed
/// has no others; whoever reads XML must refuse them too, since they could reach terminals and databases of readers.
pub const fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn carried<'a>(element: &'static str, texts: impl IntoIterator<Item = &'a String>) -> Result<(), Fault> {
    let stranger = texts.into_iter().flat_map(|text| text.chars()).find(|character| !is_xml_char(*character));
    match stranger {
        Some(character) => Err(Fault::Character { element, code_point: u32::from(character) }),
        None => Ok(()),
    }
}

fn says_something(element: &'static str, text: &String) -> Result<(), Fault> {
    carried(element, [text])?;
    if text.trim().is_empty() { Err(Fault::Empty { element }) } else { Ok(()) }
}

fn date_time(element: &'static str, text: Option<&str>) -> Result<(), Fault> {
    if text.is_none_or(is_date_time) { Ok(()) } else { Err(Fault::DateTime { element }) }
}

fn at_most(element: &'static str, found: usize, max: usize) -> Result<(), Fault> {
    if found <= max { Ok(()) } else { Err(Fault::TooMany { element, found, max }) }
}
