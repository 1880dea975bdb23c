//! A file of alerts, as XML or as the JSON that `to-json` writes.

use std::path::Path;

use serde_json::value::RawValue;
use vigie_client::cap::{
    self, ALERTS_MAX, Examined, ExportError, INPUT_BYTES_MAX, ImportError, ImportOptions, Imported,
};
use vigie_proto::cap::Alert;
use vigie_proto::json;

use super::super::exit::Failure;
use super::super::files;
use super::super::text::Lang;

/// Why a file gives no alert.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Xml(ImportError),
    #[error("alert {number}: {why}")]
    Json { number: usize, why: String },
    #[error("there is no alert inside")]
    Empty,
    #[error("there are more than {ALERTS_MAX} alerts inside: split the file")]
    TooMany,
    #[error("alert {number}: {error}")]
    Export { number: usize, error: ExportError },
}

impl ReadError {
    /// In the language of the reader; what a parser says stays in English.
    pub(super) fn told(&self, lang: Lang) -> String {
        match self {
            Self::Xml(error) => lang.cap_error(error),
            Self::Json { number, why } => lang.cap_alert_number(number, why),
            Self::Export { number, error } => lang.cap_alert_number(number, error),
            Self::Empty => lang.cap_none_inside(),
            Self::TooMany => lang.cap_too_many_inside(ALERTS_MAX),
        }
    }

    /// The stable name of what is wrong.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Xml(error) => error.code(),
            Self::Json { .. } => "bad_json",
            Self::Empty => "no_alert",
            Self::TooMany => "too_many_alerts",
            Self::Export { .. } => "no_xml",
        }
    }
}

/// The bytes of a file, by what they are.
pub(super) enum Source {
    Xml(Vec<u8>),
    Json(Vec<u8>),
}

pub(super) fn source(lang: Lang, file: &Path) -> Result<Source, Failure> {
    let bytes = files::read_bounded(lang, file, INPUT_BYTES_MAX as u64)?;
    let first = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes).trim_ascii_start().first();
    Ok(if first == Some(&b'{') { Source::Json(bytes) } else { Source::Xml(bytes) })
}

impl Source {
    pub(super) fn alerts(
        &self,
        options: &ImportOptions,
    ) -> Result<Vec<Result<Imported, ImportError>>, ReadError> {
        match self {
            Self::Xml(bytes) => Ok(cap::import_all(bytes, options)?),
            // By way of XML, so that the same rules are looked at.
            Self::Json(bytes) => Ok(cap::import_all(&xml_of(bytes)?, options)?),
        }
    }

    /// For JSON the lines are those of the XML that `to-xml` writes.
    pub(super) fn examine(&self, options: &ImportOptions) -> Result<Vec<Examined>, ReadError> {
        match self {
            Self::Xml(bytes) => Ok(cap::examine(bytes, options)?),
            Self::Json(bytes) => Ok(cap::examine(&xml_of(bytes)?, options)?),
        }
    }
}

fn xml_of(bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    let alerts = from_json(bytes)?;
    let number_of = |error| {
        let number = alerts.iter().take_while(|alert| cap::export(alert).is_ok()).count() + 1;
        ReadError::Export { number, error }
    };
    let xml = match &alerts[..] {
        [] => return Err(ReadError::Empty),
        [alone] => cap::export(alone),
        several => cap::export_list(several),
    };
    xml.map(String::into_bytes).map_err(number_of)
}

/// One object after another, each read as strictly as a signed one.
fn from_json(bytes: &[u8]) -> Result<Vec<Alert>, ReadError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut alerts = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>() {
        let number = alerts.len() + 1;
        if number > ALERTS_MAX {
            return Err(ReadError::TooMany);
        }
        let wrong = |why: String| ReadError::Json { number, why };
        let text = value.map_err(|error| wrong(error.to_string()))?.get();
        json::check(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        if !text.starts_with('{') {
            return Err(wrong("expected an object".to_owned()));
        }
        alerts.push(serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(alerts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = r#"{"identifier":"1","sender":"a@b","sent":"2026-06-01T10:00:00-00:00","status":"Actual",
        "msgType":"Cancel","scope":"Public"}"#;

    #[test]
    fn objects_follow_one_another_and_each_is_read_strictly() {
        let read =
            |text: &str| from_json(text.as_bytes()).map(|alerts| alerts.len()).map_err(|error| error.code());
        assert_eq!(read(ALERT), Ok(1));
        assert_eq!(read(&format!("\u{feff}\n{ALERT}\n{ALERT} {ALERT}")), Ok(3));
        assert_eq!(read(""), Ok(0));
        for text in [
            "[]",
            "1",
            "{}",
            "{",
            &ALERT.replace("\"1\"", "1"),
            &ALERT.replacen('{', "{\"identifier\":\"2\",", 1),
        ] {
            assert_eq!(read(text), Err("bad_json"), "{text}");
        }
        assert_eq!(read(&ALERT.repeat(ALERTS_MAX + 1)), Err("too_many_alerts"));
    }

    #[test]
    fn what_xml_cannot_say_is_told_with_its_number() {
        let bad = ALERT.replace("a@b", "a\\u0000b");
        let error = xml_of(format!("{ALERT}{bad}").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("alert 2: "), "{error}");
        assert_eq!(error.code(), "no_xml");
    }
}
