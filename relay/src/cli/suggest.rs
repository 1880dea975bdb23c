//! What was probably meant by a word that is not known.

/// The known word closest to `wrong`, when it is close enough to be a slip of the fingers.
pub(super) fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the word may be wrong; of a short word at least one letter.
    let bound = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (distance(wrong, word), word))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many single letters must be put in, taken out or changed, or neighbours swapped, to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["listen", "journal", "workers", "roots"];
        for (wrong, meant) in [
            ("lisen", Some("listen")),
            ("litsen", Some("listen")),
            ("jurnall", Some("journal")),
            ("root", Some("roots")),
            ("worker", Some("workers")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(closest(wrong, known), meant, "{wrong}");
        }
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abcd", "abdc"), 1);
    }
}
