//! Frames of a client, made by hand. Their mask is zero: the payload is as it is written.

pub(crate) const CONTINUATION: u8 = 0x00;
pub(crate) const TEXT: u8 = 0x01;
pub(crate) const PING: u8 = 0x89;
/// The last fragment, or the only one.
pub(crate) const END: u8 = 0x80;

/// A frame with this first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let head = match length {
        0..126 => vec![first, 0x80 | payload.len() as u8],
        _ => [vec![first, 0xfe], length.to_be_bytes().to_vec()].concat(),
    };
    [&head, &[0; 4][..], payload].concat()
}

/// Only the head of a frame, for a payload of so many bytes.
pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat()
}

/// A message in pieces.
pub(crate) fn fragments<'a>(pieces: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let last = pieces.len() - 1;
    let piece = |(number, piece): (usize, &[u8])| {
        let first = if number == 0 { TEXT } else { CONTINUATION };
        frame(if number == last { first | END } else { first }, piece)
    };
    pieces.enumerate().flat_map(piece).collect()
}
