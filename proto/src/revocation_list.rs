//! A revocation list of client certificates (CRL): whose it is, of what, and which of two is the newer one.
//!
//! A relay reads them here before rustls does, which takes the first list of an issuer that it finds and knows of no number: an
//! older one in front would hide whom a newer one has revoked. Like `certificate.rs` this walks the outer fields of RFC 5280,
//! section 5, and believes nothing: what is not as it should be gives `None`. Signatures are for rustls.

use std::cmp::Reverse;
use std::fmt;

use crate::der::{INTEGER, SEQUENCE, expect, window};
use crate::time::Window;

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `crlExtensions`.
const EXTENSIONS: u8 = 0xa0;
/// 2.5.29.20 (section 5.2.3).
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
/// 2.5.29.28 (section 5.2.5).
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];

/// One list, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationList {
    /// A name (DER).
    issuer: Vec<u8>,
    /// The part of its issuer's certificates that it speaks of (DER); `None` where it speaks of all.
    scope: Option<Vec<u8>>,
    /// `None` where its issuer does not number them.
    number: Option<Number>,
    /// From when to when it is good.
    pub valid: Window,
}

/// Up to 20 bytes (section 5.2.3), compared by length, then by content: no zero stands in front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number(usize, Vec<u8>);

impl RevocationList {
    /// `None` where it cannot be read, as where it does not say when the next one comes.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (list, _) = expect(SEQUENCE, der)?;
        let (mut fields, _) = expect(SEQUENCE, list)?;
        if let Some((_, rest)) = expect(INTEGER, fields) {
            fields = rest;
        }
        let (_, fields) = expect(SEQUENCE, fields)?;
        let (issuer, times) = expect(SEQUENCE, fields)?;
        let (valid, mut rest) = window(times)?;
        if let Some((_revoked, after)) = expect(SEQUENCE, rest) {
            rest = after;
        }
        let mut list = Self { issuer: issuer.to_vec(), scope: None, number: None, valid };
        if !rest.is_empty() {
            let (extensions, _) = expect(SEQUENCE, expect(EXTENSIONS, rest)?.0)?;
            list.read_extensions(extensions)?;
        }
        Some(list)
    }

    fn read_extensions(&mut self, mut extensions: &[u8]) -> Option<()> {
        while !extensions.is_empty() {
            let (extension, rest) = expect(SEQUENCE, extensions)?;
            extensions = rest;
            let (name, mut value) = expect(OBJECT_IDENTIFIER, extension)?;
            if let Some((_critical, rest)) = expect(BOOLEAN, value) {
                value = rest;
            }
            let (value, _) = expect(OCTET_STRING, value)?;
            match name {
                CRL_NUMBER => self.number = Some(Number::new(expect(INTEGER, value)?.0)),
                ISSUING_DISTRIBUTION_POINT => self.scope = Some(value.to_vec()),
                _ => {}
            }
        }
        Some(())
    }

    /// Whether it is the list of this name (DER).
    pub fn is_of(&self, issuer: &[u8]) -> bool {
        self.issuer == issuer
    }

    /// Whether both speak of the same certificates.
    fn is_twin_of(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.scope == other.scope
    }

    /// By number where both have one, by date else, and of the same number.
    fn is_older_than(&self, other: &Self) -> bool {
        let numbered = self.number.is_some() && other.number.is_some();
        self.rank(numbered) < other.rank(numbered)
    }

    fn rank(&self, numbered: bool) -> impl Ord {
        (self.number.clone().filter(|_| numbered), self.valid.from)
    }
}

/// As its issuer's people know it: by its number.
impl fmt::Display for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Number(_, bytes)) = &self.number else { return f.write_str("without a number") };
        f.write_str("number 0x")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl Number {
    /// The content of an INTEGER. What is negative is refused by rustls.
    fn new(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes.len() - zeros, bytes[zeros..].to_vec())
    }
}

/// The newest of each issuer and scope, each with its place in `lists`; of an issuer whose lists speak of different
/// certificates the one that was made last comes first, since rustls takes the first that fits.
///
/// # Errors
/// One cannot be read; or two are equally new and differ, so that each could hide the other.
pub fn newest(lists: &[impl AsRef<[u8]>]) -> Result<Vec<(RevocationList, usize)>, &'static str> {
    let mut read = Vec::with_capacity(lists.len());
    for (place, der) in lists.iter().enumerate() {
        let der = der.as_ref();
        let unreadable = "a revocation list cannot be read, or does not say when it ends";
        read.push((RevocationList::read(der).ok_or(unreadable)?, der, place));
    }
    let mut kept: Vec<(RevocationList, usize)> = Vec::new();
    for (list, ..) in &read {
        if kept.iter().any(|(other, _)| other.is_twin_of(list)) {
            continue;
        }
        let twins: Vec<_> = read.iter().filter(|(other, ..)| other.is_twin_of(list)).collect();
        // One that has none cannot be placed among numbers: then the dates of all decide.
        let numbered = twins.iter().all(|(twin, ..)| twin.number.is_some());
        let Some((last, der, place)) = twins.iter().max_by_key(|(twin, ..)| twin.rank(numbered)) else {
            continue;
        };
        let is_as_new = |twin: &RevocationList| twin.rank(numbered) == last.rank(numbered);
        if twins.iter().any(|(twin, other, _)| is_as_new(twin) && other != der) {
            return Err("two revocation lists of one issuer have the same number and date, and differ");
        }
        kept.push((last.clone(), *place));
    }
    kept.sort_by_key(|(list, _)| Reverse(list.valid.from));
    Ok(kept)
}

/// The first of `new` that is older than the one in force whose place it takes, and that one: where the scope of the one in
/// force is no longer there, all of its issuer take its place, by date.
pub fn taken_back<'l>(
    in_force: &'l [RevocationList],
    new: &'l [RevocationList],
) -> Option<(&'l RevocationList, &'l RevocationList)> {
    in_force.iter().find_map(|before| {
        let same_issuer = || new.iter().filter(|list| list.issuer == before.issuer);
        let older = match same_issuer().find(|list| list.is_twin_of(before)) {
            Some(twin) => Some(twin).filter(|twin| twin.is_older_than(before)),
            None => same_issuer().find(|list| list.valid.from < before.valid.from),
        };
        older.map(|older| (older, before))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FULL: Option<&[u8]> = None;

    fn wrap(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        [vec![tag, 0x82], u16::try_from(content.len()).unwrap().to_be_bytes().to_vec(), content].concat()
    }

    /// A list of this issuer and day of June 2026; `revoked` tells two apart that are alike else.
    fn der(issuer: u8, scope: Option<&[u8]>, number: Option<&[u8]>, day: u8, revoked: u8) -> Vec<u8> {
        let extension = |name: &[u8], value: &[u8]| {
            let fields: [&[u8]; 3] =
                [&wrap(OBJECT_IDENTIFIER, &[name]), &[BOOLEAN, 1, 0xff], &wrap(OCTET_STRING, &[value])];
            wrap(SEQUENCE, &fields)
        };
        let mut extensions = vec![extension(&[0x55, 0x1d, 35], b"another")];
        extensions.extend(number.map(|number| extension(CRL_NUMBER, &wrap(INTEGER, &[number]))));
        extensions.extend(scope.map(|scope| extension(ISSUING_DISTRIBUTION_POINT, scope)));
        let day = format!("2606{day:02}000000Z");
        let times = [&[0x17, 13][..], day.as_bytes(), &[0x17, 13], b"260701000000Z"].concat();
        let extensions = wrap(EXTENSIONS, &[&wrap(SEQUENCE, &[&extensions.concat()])]);
        let revoked = wrap(SEQUENCE, &[&[INTEGER, 1, revoked]]);
        let issuer = wrap(SEQUENCE, &[&[issuer]]);
        let fields: [&[u8]; 6] = [&[INTEGER, 1, 1], &[SEQUENCE, 0], &issuer, &times, &revoked, &extensions];
        wrap(SEQUENCE, &[&wrap(SEQUENCE, &fields)])
    }

    fn list(issuer: u8, scope: Option<&[u8]>, number: Option<&[u8]>, day: u8) -> RevocationList {
        RevocationList::read(&der(issuer, scope, number, day, 0)).unwrap()
    }

    #[test]
    fn a_list_tells_its_issuer_and_its_time_with_and_without_a_version() {
        for version in [&[2, 1, 1][..], &[]] {
            let times = [&[0x17, 13][..], b"260601000000Z", &[0x17, 13], b"260701000000Z"].concat();
            let fields = [version, &[SEQUENCE, 0], &[SEQUENCE, 2, 7, 0], &times].concat();
            let inner = [&[SEQUENCE, u8::try_from(fields.len()).unwrap()], &fields[..]].concat();
            let der = [&[SEQUENCE, u8::try_from(inner.len()).unwrap()], &inner[..]].concat();
            let list = RevocationList::read(&der).unwrap();
            assert!(list.is_of(&[7, 0]) && list.scope.is_none() && list.number.is_none());
            assert_eq!(list.valid.from.as_millis(), 1_780_272_000_000);
            assert_eq!(list.valid.until.since(list.valid.from), Duration::from_secs(30 * 86_400 + 1));
            for cut in 0..der.len() {
                assert_eq!(RevocationList::read(&der[..cut]), None, "{cut} bytes");
            }
        }
    }

    #[test]
    fn a_list_tells_its_scope_and_its_number_and_one_that_is_cut_tells_nothing() {
        let der = der(7, Some(b"users"), Some(&[0, 0x80, 1]), 1, 0);
        let list = RevocationList::read(&der).unwrap();
        assert!(list.is_of(&[7]));
        assert_eq!(list.scope.as_deref(), Some(&b"users"[..]));
        assert_eq!(list.to_string(), "number 0x8001");
        for cut in 0..der.len() {
            assert_eq!(RevocationList::read(&der[..cut]), None, "{cut} bytes");
        }
    }

    #[test]
    fn numbers_decide_then_dates_and_dates_alone_where_one_has_no_number() {
        let [one, two] = [&[1][..], &[2]].map(Some);
        for (older, newer) in [
            ((one, 2), (two, 1)),
            ((two, 1), (two, 2)),
            // Numbers, and not bytes in their order.
            ((Some(&[9]), 2), (Some(&[1, 0]), 1)),
            ((Some(&[0x7f]), 2), (Some(&[0, 0x80]), 1)),
            ((two, 1), (None, 2)),
            ((None, 1), (one, 2)),
            ((None, 1), (None, 2)),
        ] {
            let [old, new] = [older, newer].map(|(number, day)| list(7, FULL, number, day));
            assert!(old.is_older_than(&new) && !new.is_older_than(&old), "{older:?} {newer:?}");
            assert!(!old.is_older_than(&old), "{older:?}");
        }
    }

    /// The day of each that is kept, in their order.
    fn kept(lists: &[Vec<u8>]) -> Result<Vec<u64>, &'static str> {
        let day = |list: &RevocationList| list.valid.from.as_millis() / 86_400_000 - 20_604;
        newest(lists).map(|kept| kept.iter().map(|(list, _)| day(list)).collect())
    }

    #[test]
    fn of_several_the_newest_is_kept_whatever_their_order() {
        let (one, two, three) = (Some(&[1][..]), Some(&[2][..]), Some(&[3][..]));
        let (ours, theirs) = (|number, day| der(7, FULL, number, day, 0), der(8, FULL, one, 9, 0));
        let users = der(7, Some(b"users"), one, 5, 0);
        for (name, lists, expected) in [
            ("by number", vec![ours(one, 3), ours(three, 1), ours(two, 2)], vec![1]),
            ("by date, since one has no number", vec![ours(one, 3), ours(None, 2), ours(three, 1)], vec![3]),
            ("the same twice", vec![ours(one, 1), ours(one, 1)], vec![1]),
            (
                "of another issuer, and of users",
                vec![users, ours(two, 1), theirs, ours(one, 3)],
                vec![9, 5, 1],
            ),
        ] {
            for turn in 0..lists.len() {
                let mut lists = lists.clone();
                lists.rotate_left(turn);
                assert_eq!(kept(&lists), Ok(expected.clone()), "{name}, {turn}");
                lists.reverse();
                assert_eq!(kept(&lists), Ok(expected.clone()), "{name}, {turn}, from behind");
            }
        }
        assert!(kept(&[ours(one, 1), der(7, FULL, one, 1, 9)]).is_err(), "which of them counts?");
        assert_eq!(
            kept(&[ours(two, 1), ours(one, 1), der(7, FULL, one, 1, 9)]),
            Ok(vec![1]),
            "neither counts"
        );
        assert!(kept(&[ours(one, 1), b"x".to_vec()]).is_err());
    }

    #[test]
    fn what_is_older_than_what_it_replaces_is_told() {
        let (one, two) = (Some(&[1][..]), Some(&[2][..]));
        let full = |number, day| list(7, FULL, number, day);
        let users = |number, day| list(7, Some(b"users"), number, day);
        for (name, before, after, is_taken_back) in [
            ("the same", vec![full(one, 1)], vec![full(one, 1)], false),
            ("the next", vec![full(one, 1)], vec![full(two, 1)], false),
            ("the one before", vec![full(two, 2)], vec![full(one, 1)], true),
            ("the one before, made later", vec![full(two, 1)], vec![full(one, 2)], true),
            ("another scope, made earlier", vec![full(one, 2)], vec![users(two, 1)], true),
            ("another scope, made later", vec![full(two, 1)], vec![users(one, 2)], false),
            ("one of two", vec![full(one, 1), users(two, 2)], vec![full(one, 1), users(one, 2)], true),
            ("of another issuer", vec![full(two, 2)], vec![list(8, FULL, one, 1)], false),
        ] {
            assert_eq!(taken_back(&before, &after).is_some(), is_taken_back, "{name}");
        }
    }
}
