//! Whom an address belongs to, as far as it can be told.

use std::net::{IpAddr, Ipv6Addr};

/// What counts as one address: IPv6 gives a customer 2^64 of them at least, so the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into())
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }

    /// The lowest address of it.
    pub(super) const fn address(self) -> IpAddr {
        self.0
    }
}
