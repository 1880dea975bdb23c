//! Reading JSON strictly: one way to say each thing, so that two readers never disagree about what was signed.
//!
//! serde alone also takes `null` for a member that is missing, an array of values for an object, `{"Actual":null}`
//! for a code and `[]` for an element that does not repeat even once. Here each of these is refused.

use serde::de::{Deserialize, Deserializer, Error};

use crate::json::{self, Object};

/// An optional member that is there: `null` is refused. Needs `default` beside it for when it is not there.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// A repeatable scalar that is there: an empty array is refused. Needs `default` beside it.
pub(super) fn some_values<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let values = Vec::deserialize(deserializer)?;
    if values.is_empty() {
        return Err(D::Error::invalid_length(0, &"at least one value, or no member"));
    }
    Ok(values)
}

/// A repeatable object that is there: as [`some_values`], and each must be written as an object.
pub(super) fn some_objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    some_values(deserializer).map(|objects| objects.into_iter().map(|Object(object)| object).collect())
}

/// For the member that holds an [`Alert`](super::Alert), as `#[serde(deserialize_with = "cap::object")]`: takes an
/// object, not an array of its values, which derived code would also take. Infos and what is below them are read so
/// by themselves.
///
/// # Errors
/// Those of the deserializer, and its own for anything but an object.
pub fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    json::object(deserializer)
}
