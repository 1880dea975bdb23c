//! The floor: nothing to set up, a message is its number and filling.

use anyhow::Context as _;

use super::{MESSAGE_BYTES, News, Peer, Place, Ready, Role, number, put_numbered};
use crate::websocket::BINARY;

/// `crate::floor`.
#[derive(Clone, Copy, Debug)]
pub struct Floor;

/// Of a receipt, which repeats the beginning of the message: here its number in eight bytes.
const RECEIPT_BYTES: usize = 8;

impl Peer for Floor {
    fn upgrade(&self, me: &Place<'_>) -> (&'static str, Option<&'static str>) {
        let path = match me.role {
            Role::Reader | Role::Listener { .. } | Role::Guest => "/read",
            Role::Publisher => "/all",
            Role::Herald { .. } => "/one",
            Role::Author => "/durable",
        };
        (path, None)
    }

    fn opcode(&self) -> u8 {
        BINARY
    }

    fn set_up(&mut self, _: &mut Place<'_>, _: Option<&[u8]>) -> anyhow::Result<Ready> {
        Ok(Ready::Yes)
    }

    fn prepare(&mut self, _: Role, _: u64) -> anyhow::Result<()> {
        Ok(())
    }

    fn publish(&mut self, _: Role, _: usize, number: u64, out: &mut Vec<u8>) -> anyhow::Result<()> {
        out.extend_from_slice(&number.to_be_bytes());
        put_numbered(number, MESSAGE_BYTES - RECEIPT_BYTES, out);
        Ok(())
    }

    fn hear(&self, _: &mut Vec<u8>, message: &[u8], news: &mut dyn News) -> anyhow::Result<()> {
        let (first, rest) = message.split_first_chunk().context("a short message")?;
        if rest.is_empty() {
            news.acknowledged(u64::from_be_bytes(*first));
        } else {
            news.delivered(number(rest).context("no number")?);
        }
        Ok(())
    }
}
