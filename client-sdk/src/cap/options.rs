//! What a caller may add where a file says too little for CAP 1.2.

use vigie_proto::cap::{Category, Scope, is_date_time};

/// What to fill in where a file says too little for CAP 1.2. Nothing of it replaces what a file says, and each use is
/// told as a warning. By default nothing is supplied: what is missing is refused, with the name of the flag that
/// supplies it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportOptions {
    /// `mimeType` of a resource that has none (`--mime-type`). CAP 1.2 requires it; for older versions
    /// `application/octet-stream` stands in when this is `None`.
    pub mime_type: Option<String>,
    /// `scope` of an alert that has none (`--scope`): optional in CAP 1.0. Who may hear it is never guessed.
    pub scope: Option<Scope>,
    /// `category` of an info that has none (`--category`): optional in CAP 1.0.
    pub category: Option<Category>,
    /// Offset of times that have none (`--zone`).
    pub zone: Option<Zone>,
    /// `valueName` of an `eventCode`, `parameter` or `geocode` of CAP 1.0 that is a value without `key=`
    /// (`--value-name`).
    pub value_name: Option<String>,
}

/// An offset from UTC as CAP writes it: `+02:00`, `-00:00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(String);

/// The text is no offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an offset from UTC such as +02:00 or -00:00")]
#[non_exhaustive]
pub struct MalformedZone;

impl Zone {
    /// The offset as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Zone {
    type Err = MalformedZone;

    fn from_str(text: &str) -> Result<Self, MalformedZone> {
        let exists = is_date_time(&format!("2000-01-01T00:00:00{text}"));
        exists.then(|| Self(text.to_owned())).ok_or(MalformedZone)
    }
}

#[cfg(test)]
mod tests {
    use super::{MalformedZone, Zone};

    #[test]
    fn a_zone_is_an_offset_that_exists() {
        for text in ["+02:00", "-00:00", "+14:00"] {
            assert_eq!(text.parse::<Zone>().map(|zone| zone.as_str().to_owned()), Ok(text.to_owned()));
        }
        for text in ["", "Z", "+2", "+0200", "+15:00", "+02:00 ", "Europe/Paris"] {
            assert_eq!(text.parse::<Zone>(), Err(MalformedZone), "{text}");
        }
    }
}
