//! The head of a WebSocket frame, and what may come after what: RFC 6455, sections 5.2 to 5.5.
//!
//! The library under a session judges the same, but after it has made room for a payload, and it puts no bound on the
//! number of fragments. So [`Order`] looks at each head before the library does, as soon as its bytes are there. Pure: no
//! I/O, no clock.

use vigie_proto::refusal::Code;

/// Two bytes, an extended length of eight, a mask of four.
pub(crate) const HEAD_BYTES_MAX: usize = 14;

/// Fragments of one message. The largest comes in 257 of 1 KiB, the smallest that a client is known to cut; a million of
/// one byte, or of none, would cost more to read than to send.
pub(crate) const FRAGMENTS_MAX: u32 = 512;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What was said is not WebSocket as it is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what}")]
pub(crate) struct Violation {
    pub(crate) code: Code,
    pub(crate) what: &'static str,
}

const fn broken(what: &'static str) -> Result<Kind, Violation> {
    Err(Violation { code: Code::BrokenWebsocket, what })
}

/// What a frame is to those above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Part of a message.
    Data,
    Close,
    Ping,
    Pong,
}

/// The bytes of a head, as far as they have come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    known: usize,
}

impl Head {
    /// What is known of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.known]
    }

    /// Where the bytes go that it lacks, as far as can be told; empty when it is whole.
    pub(crate) fn lacks(&mut self) -> &mut [u8] {
        let end = self.length();
        &mut self.bytes[self.known..end]
    }

    /// So many of them have come.
    pub(crate) const fn note(&mut self, bytes: usize) {
        self.known += bytes;
    }

    /// As far as can be told from what is known.
    const fn length(&self) -> usize {
        if self.known < 2 {
            return 2;
        }
        2 + self.extended() + if self.is_masked() { 4 } else { 0 }
    }

    const fn is_masked(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// Bytes of the length that follows the first two bytes.
    const fn extended(&self) -> usize {
        match self.bytes[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    /// Bytes of payload. Of a whole head only.
    pub(crate) fn payload(&self) -> u64 {
        match self.extended() {
            0 => u64::from(self.bytes[1] & 0x7f),
            bytes => self.bytes[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        }
    }

    /// Of a whole head only.
    pub(crate) fn mask(&self) -> [u8; 4] {
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.bytes[2 + self.extended()..][..4]);
        mask
    }
}

/// The message that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    /// Fragments of it that have begun; 0 between two messages.
    fragments: u32,
    /// What they hold together.
    bytes: u64,
}

impl Order {
    /// Judges a head of which two bytes are known: enough for all but its length.
    ///
    /// # Errors
    /// It may not come, here or at all.
    pub(crate) const fn judge(&self, head: &Head) -> Result<Kind, Violation> {
        let (first, second) = (head.bytes[0], head.bytes[1]);
        if first & 0x70 != 0 {
            return broken("a reserved bit is set, as by an extension that was not agreed on");
        }
        if !head.is_masked() {
            return broken("a frame of a client is not masked");
        }
        let is_last = first & 0x80 != 0;
        let kind = match first & 0x0f {
            CONTINUATION if self.fragments == 0 => {
                return broken("a message is continued that was not begun");
            }
            TEXT | BINARY if self.fragments > 0 => return broken("a message begins inside another"),
            CONTINUATION | TEXT | BINARY => return Ok(Kind::Data),
            CLOSE => Kind::Close,
            PING => Kind::Ping,
            PONG => Kind::Pong,
            _ => return broken("the opcode is reserved"),
        };
        if !is_last {
            return broken("a control frame is fragmented");
        }
        if second & 0x7f > 125 {
            return broken("a control frame is longer than 125 bytes");
        }
        Ok(kind)
    }

    /// Notes a whole head of data.
    ///
    /// # Errors
    /// The message is longer than `message_bytes_max`, or has too many fragments.
    pub(crate) fn note_data(&mut self, head: &Head, message_bytes_max: usize) -> Result<(), Violation> {
        self.bytes = self.bytes.saturating_add(head.payload());
        self.fragments += 1;
        if self.bytes > message_bytes_max as u64 {
            return Err(Violation { code: Code::FrameTooLarge, what: "a message is too long" });
        }
        if self.fragments > FRAGMENTS_MAX {
            return Err(Violation { code: Code::TooManyFragments, what: "a message has too many fragments" });
        }
        if head.bytes[0] & 0x80 != 0 {
            *self = Self::default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Head {
        let mut head = Head::default();
        for byte in bytes {
            head.lacks()[0] = *byte;
            head.note(1);
        }
        head
    }

    #[test]
    fn every_first_byte_has_its_verdict_between_messages_and_inside_one() {
        let (between, inside) = (Order::default(), Order { fragments: 1, bytes: 1 });
        for first in 0..=u8::MAX {
            let kind = |order: Order| order.judge(&head(&[first, 0x80])).map_err(|violation| violation.code);
            let control = match first {
                0x88 => Some(Kind::Close),
                0x89 => Some(Kind::Ping),
                0x8a => Some(Kind::Pong),
                _ => None,
            };
            let (starts, continues) =
                (matches!(first, 0x01 | 0x02 | 0x81 | 0x82), matches!(first, 0x00 | 0x80));
            let data = |fits: bool| fits.then_some(Kind::Data).or(control).ok_or(Code::BrokenWebsocket);
            assert_eq!(kind(between), data(starts), "{first:#x} between messages");
            assert_eq!(kind(inside), data(continues), "{first:#x} inside a message");
        }
        assert!(between.judge(&head(&[0x81, 0x05])).is_err(), "not masked");
        assert!(between.judge(&head(&[0x89, 0xfd])).is_ok(), "a ping of 125 bytes");
        assert!(between.judge(&head(&[0x89, 0xfe])).is_err(), "a longer one");
    }

    #[test]
    fn lengths_add_up_over_fragments_and_never_wrap() {
        let code = |result: Result<(), Violation>| result.map_err(|violation| violation.code);
        let of =
            |first: u8, length: u64| head(&[&[first, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat());
        assert_eq!(of(0x81, 1 << 63).payload(), 1 << 63);
        for length in [11, 1 << 16, 1 << 32, 1 << 63, u64::MAX] {
            let too_large = Err(Code::FrameTooLarge);
            assert_eq!(code(Order::default().note_data(&of(0x81, length), 10)), too_large, "{length}");
            let mut order = Order::default();
            assert_eq!(code(order.note_data(&of(0x01, 10), 10)), Ok(()));
            assert_eq!(code(order.note_data(&of(0x80, length), 10)), too_large, "{length} after 10");
        }
        let mut order = Order::default();
        for last in [0x81, 0x81] {
            assert_eq!(code(order.note_data(&of(last, 10), 10)), Ok(()), "each message counts for itself");
        }
    }

    #[test]
    fn so_many_fragments_and_no_more_even_when_they_are_empty() {
        let mut order = Order::default();
        for number in 1..=FRAGMENTS_MAX {
            let first = u8::from(number == 1);
            assert_eq!(order.note_data(&head(&[first, 0x80, 1, 2, 3, 4]), 10), Ok(()), "fragment {number}");
        }
        let one_more = order.note_data(&head(&[0x80, 0x80, 1, 2, 3, 4]), 10);
        assert_eq!(one_more.map_err(|violation| violation.code), Err(Code::TooManyFragments));
    }
}
