//! Strict JSON: what two readers could understand in two ways is not accepted.
//!
//! Called on every frame and on every header and payload of a token, before the typed parse. serde_json judges the
//! grammar (UTF-8, escapes, lone surrogates, trailing bytes); this adds what it leaves open: no member twice at any
//! level, at most [`JSON_DEPTH_MAX`] levels, integers within 2^53 − 1 and no other numbers (RFC 7493, I-JSON).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Error as _, IgnoredAny, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::limits::{JSON_DEPTH_MAX, JSON_INTEGER_MAX};
use crate::refusal::{Code, Refusal};

/// Why a text is not JSON as the protocol defines it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, too deep, or a number that is no integer within 2^53 − 1.
    #[error("{0}")]
    Malformed(String),
    /// A member stands twice in one object.
    #[error("{0}")]
    Duplicate(String),
    /// A signed object has a member that is not defined.
    #[error("{0}")]
    Unknown(String),
    /// JSON, but not of the expected shape.
    #[error("{0}")]
    Shape(String),
}

impl JsonError {
    /// Why a signed object is refused: a member that stands twice or is not defined has a code of its own, whatever the object
    /// is; for the rest it is `malformed`, the code for an object of this kind.
    pub(crate) fn refusal(self, malformed: Code) -> Refusal {
        match self {
            Self::Duplicate(detail) => Refusal::new(Code::DuplicateMember, detail),
            Self::Unknown(detail) => Refusal::new(Code::UnknownMember, detail),
            Self::Malformed(detail) | Self::Shape(detail) => Refusal::new(malformed, detail),
        }
    }
}

/// Checks that `bytes` are one strict JSON object and nothing else.
///
/// # Errors
/// [`JsonError::Malformed`] or [`JsonError::Duplicate`].
pub fn check(bytes: &[u8]) -> Result<(), JsonError> {
    check_text(as_text(bytes)?)
}

fn as_text(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| JsonError::Malformed(error.to_string()))
}

/// As [`check`], of what is known to be text.
pub(crate) fn check_text(text: &str) -> Result<(), JsonError> {
    let mut walk = Walk { names: Vec::with_capacity(NAMES_EXPECTED), met_twice: false };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let outcome = Strict { depth: 0, walk: &mut walk }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| error.to_string());
    match outcome {
        Ok(()) if text.bytes().find(|byte| !byte.is_ascii_whitespace()) == Some(b'{') => Ok(()),
        Ok(()) => Err(JsonError::Malformed("expected an object".to_owned())),
        Err(error) if walk.met_twice => Err(JsonError::Duplicate(error)),
        Err(error) => Err(JsonError::Malformed(error)),
    }
}

/// Checks, then reads as a signed object: a member that `T` does not know is an error of its own.
///
/// # Errors
/// Any [`JsonError`].
pub fn parse_signed<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonError> {
    let text = as_text(bytes)?;
    check_text(text)?;
    shape_signed(serde_json::from_str(text))
}

/// Reads a part of what [`parse_signed`] has checked, that must be an object as the whole.
pub(crate) fn parse_part<'de, T: Deserialize<'de>>(part: &'de RawValue) -> Result<T, JsonError> {
    shape_signed(serde_json::from_str(part.get()).map(|Object(value)| value))
}

fn shape_signed<T>(read: Result<T, serde_json::Error>) -> Result<T, JsonError> {
    read.map_err(|error| {
        let text = error.to_string();
        // serde's wording for `deny_unknown_fields`; a test pins it.
        if text.starts_with("unknown field") { JsonError::Unknown(text) } else { JsonError::Shape(text) }
    })
}

/// Reads a frame: unknown members are ignored, so that a newer peer may add some. Checked by the caller.
pub(crate) fn parse_frame<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Shape(error.to_string()))
}

/// For a member of a signed object that is itself an object: derived code alone would also take an array of its
/// values, another spelling of the same statement.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For an array of objects: each as [`object`].
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Vec::deserialize(deserializer)?.into_iter().map(|Object(value)| value).collect())
}

/// For a member that is one of a list of words: derived code alone would also take `{"word":null}`.
pub(crate) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let Text(text) = Text::deserialize(deserializer)?;
    T::deserialize(text.into_deserializer())
}

/// For an optional member that is there: `null` is not another way to leave it out. Needs `default` beside it.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// [`present`] and [`object`] at once.
pub(crate) fn present_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    object(deserializer).map(Some)
}

/// [`present`] and [`word`] at once.
pub(crate) fn present_word<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    word(deserializer).map(Some)
}

/// The member `ext`: an object for whatever a deployment adds, which is signed and not interpreted; nothing of it is kept.
///
/// No `Value`: that takes an object whose one member has the name that `raw_value` uses inside serde_json for JSON in a
/// string, and refuses what the rules allow.
#[derive(Debug, Serialize)]
pub(crate) struct Ext {}

impl<'de> Deserialize<'de> for Ext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(IgnoredAny) = Object::deserialize(deserializer)?;
        Ok(Self {})
    }
}

/// A value that was written as an object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A text that is copied only where it has escapes. What is derived for a [`Cow`] copies all of them.
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// Names of an object that are looked through one by one. Nearly all have fewer members; for those with more there is a
/// tree, so that a text of names alone costs no more than its length.
const NAMES_LISTED: usize = 16;

/// Room for the names around a value of an alert, so that the list does not grow on its way through one.
const NAMES_EXPECTED: usize = 32;

/// What a check keeps on its way through a text.
struct Walk<'de> {
    /// The first names of each object around the present value, those of the innermost at the end: one list for all, since
    /// each frame and token is checked and most objects are small.
    names: Vec<Cow<'de, str>>,
    /// The error that follows is about a member given twice.
    met_twice: bool,
}

/// Visits a value without keeping it.
struct Strict<'w, 'de> {
    /// Levels around this value, at most [`JSON_DEPTH_MAX`].
    depth: usize,
    walk: &'w mut Walk<'de>,
}

impl<'w, 'de> Strict<'w, 'de> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("more than {JSON_DEPTH_MAX} levels deep")));
        }
        Ok(Self { depth: self.depth + 1, walk: self.walk })
    }

    /// The same for one of several values at its level.
    const fn again(&mut self) -> Strict<'_, 'de> {
        Strict { depth: self.depth, walk: self.walk }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        if number <= JSON_INTEGER_MAX { Ok(()) } else { Err(E::custom("an integer above 2^53 - 1")) }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        if number.unsigned_abs() <= JSON_INTEGER_MAX {
            Ok(())
        } else {
            Err(E::custom("an integer below -(2^53 - 1)"))
        }
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("a number that is no integer"))
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut inner = self.deeper()?;
        while seq.next_element_seed(inner.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut inner = self.deeper()?;
        let begin = inner.walk.names.len();
        let mut more_names = BTreeSet::new();
        while let Some(Text(name)) = map.next_key()? {
            let listed = &inner.walk.names[begin..];
            if listed.contains(&name) || more_names.contains(&name) {
                inner.walk.met_twice = true;
                return Err(A::Error::custom(format_args!("member {name:?} is given twice")));
            }
            if listed.len() < NAMES_LISTED {
                inner.walk.names.push(name);
            } else {
                more_names.insert(name);
            }
            map.next_value_seed(inner.again())?;
        }
        inner.walk.names.truncate(begin);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for good in [r#"{}"#, r#" {"a":[1,-1,true,null,"\ud83d\ude00",{"b":9007199254740991}]} "#] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":1}x"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e2}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":99999999999999999999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":NaN}"#,
            "\u{feff}{}",
            r#"{'a':1}"#,
            r#"{"a":1,}"#,
            "{\"a\":\"\n\"}",
        ] {
            assert!(matches!(check(bad.as_bytes()), Err(JsonError::Malformed(_))), "{bad}");
        }
        assert!(matches!(check(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed(_))));
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":[{"b":{"a":1,"c":2,"a":3}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"\u0061":1,"a":2}"#,
            r#"{"a":{"b":{"c":1},"d":[{"e":1}]},"a":1}"#,
        ] {
            assert!(matches!(check(twice.as_bytes()), Err(JsonError::Duplicate(_))), "{twice}");
        }
        let apart = r#"{"a":{"a":[{"a":1},{"a":1}],"b":{"a":1}},"b":{"a":1}}"#;
        assert_eq!(check(apart.as_bytes()), Ok(()), "the same name in other objects");
    }

    /// Of as many members as there are, below and above the bound of the list, any two that bear one name are met.
    #[test]
    fn a_name_twice_is_met_wherever_it_stands() {
        for members in [2, NAMES_LISTED, NAMES_LISTED + 1, 3 * NAMES_LISTED] {
            for (first, second) in
                (1..members).flat_map(|second| (0..second).map(move |first| (first, second)))
            {
                let object = |second_name: usize| {
                    let name = |place: usize| if place == second { second_name } else { place };
                    let members: Vec<_> =
                        (0..members).map(|place| format!(r#""n{}":{{"n0":1}}"#, name(place))).collect();
                    format!("{{{}}}", members.join(","))
                };
                assert_eq!(check(object(second).as_bytes()), Ok(()));
                assert!(
                    matches!(check(object(first).as_bytes()), Err(JsonError::Duplicate(_))),
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested =
            |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(check(nested(JSON_DEPTH_MAX).as_bytes()), Ok(()));
        assert!(check(nested(JSON_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(check(nested(100_000).as_bytes()).is_err());
    }

    /// Also what has the name that serde_json gives a raw value inside.
    #[test]
    fn whatever_a_deployment_adds_is_taken_when_it_is_an_object() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[serde(default, deserialize_with = "present")]
            ext: Option<Ext>,
        }
        for good in ["{}", r#"{"a":[null,{"b":1}]}"#, r#"{"a":{"$serde_json::private::RawValue":"no JSON"}}"#]
        {
            let read = parse_signed::<One>(format!(r#"{{"ext":{good}}}"#).as_bytes());
            assert!(read.is_ok_and(|one| one.ext.is_some()), "{good}");
        }
        for bad in ["[]", "1", "null", r#""{}""#] {
            let read = parse_signed::<One>(format!(r#"{{"ext":{bad}}}"#).as_bytes());
            assert!(matches!(read, Err(JsonError::Shape(_))), "{bad}");
        }
    }

    #[test]
    fn an_unknown_member_is_told_apart() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[expect(dead_code, reason = "only its presence is read")]
            a: u32,
        }
        let read = |text: &str| parse_signed::<One>(text.as_bytes());
        assert!(read(r#"{"a":1}"#).is_ok());
        assert!(matches!(read(r#"{"a":1,"b":2}"#), Err(JsonError::Unknown(_))));
        assert!(matches!(read(r#"{"a":"1"}"#), Err(JsonError::Shape(_))));
        for (text, code) in [
            (r#"{"a":1,"b":2}"#, Code::UnknownMember),
            (r#"{"a":1,"a":2}"#, Code::DuplicateMember),
            (r#"{"a":"1"}"#, Code::MalformedRotation),
            (r#"{"a":1"#, Code::MalformedRotation),
        ] {
            let refusal = read(text).unwrap_err().refusal(Code::MalformedRotation);
            assert_eq!(refusal.code, code, "{text}");
            assert!(!refusal.detail.is_empty(), "{text}");
        }
    }
}
