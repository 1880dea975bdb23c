//! What one signature costs in CPU: the bound of every relay and reader, whatever the disk does.

use std::hint::black_box;
use std::time::Instant;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::verify;
use vigie_tests::world::World;

use crate::figures::Figure;
use crate::messages::sign;

const ROUNDS: usize = 5;
const CALLS: u32 = 2_000;

pub(crate) fn run(world: &World) {
    let nation = &world.live.nation;
    let messages = sign(nation, "preuve", 1);
    let token = &**messages[0].token();
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let signature = key.sign(token.as_bytes());
    let signature = signature.as_ref().try_into().unwrap();
    let public =
        vigie_proto::key::PublicKey::from_bytes(key.public_key().as_ref().try_into().unwrap()).unwrap();
    let mut bare = Figure::new("Ed25519 verify of the bytes of a message, one core", "µs");
    let mut whole = Figure::new("verify of a whole message under a known chain, one core", "µs");
    let mut signing = Figure::new("sign of a whole message, one core", "µs");
    for round in 0..ROUNDS {
        bare.add(time(|| assert!(public.verifies(black_box(token.as_bytes()), &signature))));
        whole.add(time(|| {
            drop(verify::verify(black_box(token), &nation.chain, MESSAGE_LIFETIME_MAX).unwrap())
        }));
        let start = Instant::now();
        let signed = sign(nation, &format!("signe {round}"), CALLS as usize);
        signing.add(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
        drop(signed);
    }
    println!("\nsignatures: {ROUNDS} rounds, a message of {} bytes", token.len());
    for figure in [bare, whole, signing] {
        figure.print();
    }
}

fn time(call: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}
