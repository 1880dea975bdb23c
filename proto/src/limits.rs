//! The bounds that belong to the protocol itself: both sides know them, and none can be configured away. Two are defaults,
//! which a relay's operator ([`LOGIN_TIMEOUT`]) or a reader ([`MARK_INTERVAL`]) may change within others.
//!
//! Bounds of one relay (connections, outboxes, rates) are settings of the relay, not here.

use std::time::Duration;

/// The WebSocket subprotocol, and with it the version of everything in this crate.
pub const SUBPROTOCOL: &str = "vigie.v1";

/// A message, as a JWS: 256 KiB holds the largest real CAP alert seen (NAADS, 4 languages, 190 KiB as JSON).
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// A credential, as a JWS: eight of them and a proof fit in one frame before log-in.
pub const CREDENTIAL_BYTES_MAX: usize = 1_280;

/// A revocation, as a JWS: twice what one without `ext` takes.
pub const REVOCATION_BYTES_MAX: usize = 1_024;

/// A rotation of a root, as a JWS: nearly twice what one without `ext` takes.
pub const ROTATION_BYTES_MAX: usize = 1_024;

/// Roots that one relay or reader pins, over both planes: eight for each is a federation of nations, each in overlap.
pub const ROOTS_MAX: usize = 16;

/// Rotations that one relay or reader holds, over both planes: two for each of four roots on each plane.
pub const ROTATIONS_MAX: usize = 16;

/// From a pinned root to the one above a chain: at ten years a root, the pins of a lifetime.
pub const ROTATION_HOPS_MAX: usize = 4;

/// Links in a chain, root and leaf counted: nation, region, department, town, service, unit, and two to spare.
pub const CHAIN_LINKS_MAX: usize = 8;

/// A frame before log-in: a full chain (8 × 1,280) and a proof.
pub const FRAME_BYTES_MAX_BEFORE_LOGIN: usize = 12 * 1024;

/// A frame after log-in, in both directions: the largest message and the frame around it.
pub const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 1_024;

/// Nesting of JSON in tokens and frames: CAP needs 6.
pub const JSON_DEPTH_MAX: usize = 16;

/// Largest JSON integer: what every language reads without loss (RFC 7493, I-JSON).
pub const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Channels in one subscription.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// Grants in one credential: more do not fit in [`CREDENTIAL_BYTES_MAX`] anyway.
pub const GRANTS_MAX: usize = 16;

/// Messages that one message may replace: an update of an update of a long crisis, not a sweep.
pub const REPLACES_MAX: usize = 64;

/// Organisations that a label may name: the partners of one operation. Whom it does not fit names one above them.
pub const AUDIENCE_MAX: usize = 16;

/// Free text that names the holder of a credential.
pub const NAME_BYTES_MAX: usize = 64;

/// How far clocks of honest parties may be apart.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(120);

/// Longest life of a message, from `sent` to `expires`.
pub const MESSAGE_LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// From the connection to the log-in, TLS and upgrade included, unless a relay's operator says otherwise; never more than
/// [`NONCE_LIFETIME`].
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A nonce is good for one proof on its connection, and for this long.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(30);

/// Chains that a session remembers to have been given: what it was given before that is given again.
pub const CHAINS_REMEMBERED: usize = 32;

/// Between two marks, unless the reader asks otherwise at log-in.
pub const MARK_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest interval between marks that a reader may ask for.
pub const MARK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The longest, for phones that save their battery.
pub const MARK_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// Messages in one page of history.
pub const HISTORY_LIMIT_MAX: u32 = 256;

/// How far before the `admitted` of a foreign cursor a reader is served again: clocks of two relays may differ.
pub const FOREIGN_CURSOR_OVERLAP: Duration = Duration::from_secs(5 * 60);

/// A line is stale when nothing came for this many mark intervals (in tenths: 2.4).
pub const STALE_MARK_INTERVALS_TENTHS: u32 = 24;
