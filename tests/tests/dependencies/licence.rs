//! Licence expressions (SPDX, or the older form with a slash): whether they can be met, and by which licences.

use super::root;

/// Whether an expression can be met with allowed licences.
pub(super) fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    match read(expression) {
        Read::Either(parts) => parts.iter().any(|part| is_met(part, allowed)),
        Read::Both(parts) => parts.iter().all(|part| is_met(part, allowed)),
        Read::One(licence) => allowed(licence),
    }
}

/// The licences by which an expression is met, where the authors of the package leave the choice: those first in
/// `preferred`. None if it cannot be met with these.
pub(super) fn choice<'a>(expression: &'a str, preferred: &[&str]) -> Option<Vec<&'a str>> {
    let rank = |licence: &str| preferred.iter().position(|one| *one == licence);
    match read(expression) {
        Read::Either(parts) => {
            let choices = parts.into_iter().filter_map(|part| choice(part, preferred));
            choices.min_by_key(|licences| licences.iter().filter_map(|licence| rank(licence)).max())
        }
        Read::Both(parts) => {
            let all: Option<Vec<_>> = parts.into_iter().map(|part| choice(part, preferred)).collect();
            let mut all = all?.concat();
            all.sort_unstable();
            all.dedup();
            Some(all)
        }
        Read::One(licence) => rank(licence).map(|_| vec![licence]),
    }
}

/// An expression in today's form: ` OR ` for the slash.
pub(super) fn normal(expression: &str) -> String {
    expression.replace('/', " OR ")
}

/// The licences that `deny.toml` allows.
pub(super) fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = text.split_once("\nallow = [").unwrap().1.split_once(']').unwrap().0;
    let licences: Vec<_> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(licences.contains(&"MIT".to_owned()), "deny.toml was not understood: {licences:?}");
    licences
}

/// What an expression is, at its outermost.
enum Read<'a> {
    Either(Vec<&'a str>),
    Both(Vec<&'a str>),
    One(&'a str),
}

fn read(expression: &str) -> Read<'_> {
    // From the outside in: a bracket that spans an operator, then OR, then AND.
    let expression = expression.trim();
    for operator in [" OR ", "/"] {
        let parts = split_outside_brackets(expression, operator);
        if parts.len() > 1 {
            return Read::Either(parts);
        }
    }
    let parts = split_outside_brackets(expression, " AND ");
    if parts.len() > 1 {
        return Read::Both(parts);
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => read(inner),
        None => Read::One(expression),
    }
}

fn split_outside_brackets<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, character) in text.char_indices() {
        depth += i32::from(character == '(') - i32::from(character == ')');
        if depth == 0 && text[at..].starts_with(operator) && at >= begin {
            parts.push(&text[begin..at]);
            begin = at + operator.len();
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[test]
fn licence_expressions_are_read_as_they_bind() {
    let allowed = |licence: &str| ["MIT", "ISC", "A WITH B"].contains(&licence);
    for (expression, met) in [
        ("MIT", true),
        ("GPL", false),
        ("GPL OR MIT", true),
        ("GPL/MIT", true),
        ("GPL AND MIT", false),
        ("(GPL OR MIT) AND ISC", true),
        ("(GPL OR MIT) AND GPL", false),
        ("GPL OR MIT AND ISC", true),
        ("GPL AND MIT OR ISC", true),
        ("A WITH B", true),
        ("A", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn a_choice_is_the_first_preferred_and_all_where_all_bind() {
    let preferred = ["Apache-2.0", "MIT", "ISC"];
    for (expression, licences) in [
        ("MIT", Some(vec!["MIT"])),
        ("MIT OR Apache-2.0", Some(vec!["Apache-2.0"])),
        ("ISC/MIT", Some(vec!["MIT"])),
        ("GPL OR ISC", Some(vec!["ISC"])),
        ("Apache-2.0 AND ISC", Some(vec!["Apache-2.0", "ISC"])),
        ("(MIT OR Apache-2.0) AND ISC", Some(vec!["Apache-2.0", "ISC"])),
        ("GPL AND MIT", None),
        ("GPL", None),
    ] {
        assert_eq!(choice(expression, &preferred), licences, "{expression}");
    }
}
