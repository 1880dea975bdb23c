//! The lines of an export, one at a time, however large it is.

use std::io::{BufRead, Read as _};
use std::path::Path;

use super::exit::{Exit, Failure, Outcome};
use super::files::cannot_read;
use super::text::Lang;

/// A message of 256 KiB, its content again as JSON with everything escaped, and the frame around it.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Gives every line that is not empty with its number, from 1. Ends at what `visit` returns, and at a line that is too
/// long: the rest of it cannot be told from another line.
pub(super) fn each(
    lang: Lang,
    path: &Path,
    mut source: impl BufRead,
    visit: &mut dyn FnMut(u64, &[u8]) -> Outcome,
) -> Outcome {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(|error| cannot_read(lang, path, &error))? == 0 {
            return Ok(());
        }
        number += 1;
        if line.len() as u64 == LINE_BYTES_MAX {
            let told = lang.bad_line(number, lang.line_too_long(LINE_BYTES_MAX));
            return Err(Failure::new(Exit::VerificationFailed, told));
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            visit(number, text)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(source: &[u8]) -> (Vec<(u64, usize)>, Outcome) {
        let mut seen = Vec::new();
        let ended = each(Lang::En, Path::new("-"), source, &mut |number, line| {
            seen.push((number, line.len()));
            Ok(())
        });
        (seen, ended)
    }

    #[test]
    fn lines_are_numbered_with_the_empty_ones_and_one_that_is_too_long_is_the_end() {
        let (seen, ended) = lines(b"ab\n\n  abc \r\nabcd");
        ended.unwrap();
        assert_eq!(seen, [(1, 2), (3, 3), (4, 4)]);
        let longest = usize::try_from(LINE_BYTES_MAX).unwrap() - 1;
        let (seen, ended) = lines(&[b"a\n", &vec![b'b'; longest][..], b"\n"].concat());
        assert_eq!((seen, ended.unwrap_err().text().contains("line 2")), (vec![(1, 1)], true));
        let (seen, ended) = lines(&vec![b'b'; longest]);
        ended.unwrap();
        assert_eq!(seen, [(1, longest)]);
    }
}
