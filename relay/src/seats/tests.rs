//! Who comes in, and who goes for it.

use vigie_proto::chain::{NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::time::Window;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn sitter(worker: usize) -> Sitter {
    Sitter { worker, session: SessionId::default() }
}

struct Person {
    key: SigningKey,
    chain: Arc<Chain>,
}

fn claims(plane: Plane, seed: u8, delegate: u8) -> (SigningKey, Claims) {
    let key = SigningKey::from_seed(&[seed; 32]).unwrap();
    let at = "fr".parse().unwrap();
    let claims = Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: "fr".to_owned(),
        role: Role::Author,
        grants: vec![Grant { flow: Flow::Alert, at, publish: None, subscribe: true, delegate }],
        plane,
        valid: Window { from: START, until: after(3_600) },
    };
    (key, claims)
}

fn root() -> Person {
    root_of(Plane::Live)
}

fn root_of(plane: Plane) -> Person {
    let (key, claims) = claims(plane, 200, 7);
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
    Person { key, chain: Arc::new(chain) }
}

impl Person {
    fn appoint(&self, seed: u8, delegate: u8) -> Self {
        let (key, claims) = claims(self.chain.plane(), seed, delegate);
        let chain = Arc::new(self.chain.extend(&self.key, &claims).unwrap());
        Self { key, chain }
    }

    fn enter(
        &self,
        seats: &Arc<Seats>,
        worker: usize,
        now: Timestamp,
    ) -> Result<(Seat, Vec<Sitter>), Refusal> {
        seats.enter(&self.chain, sitter(worker), now)
    }
}

fn taken(seats: &Seats) -> usize {
    seats.table().taken
}

#[test]
fn one_more_of_a_key_takes_the_seat_of_the_one_that_was_silent_longest() {
    let seats = Arc::new(Seats::new(1_000, 3));
    let (one, two) = (root().appoint(1, 0), root().appoint(2, 0));
    let enter = |worker, now| one.enter(&seats, worker, now).unwrap();
    let [first, second, third] = [0, 1, 2].map(|number| enter(number, after(number as u64)).0);
    let other = two.enter(&seats, 9, after(2)).unwrap();
    first.note_heard(after(5));
    let (fourth, goes) = enter(3, after(6));
    assert_eq!((goes, taken(&seats)), (vec![sitter(1)], 4));
    // What it gives back is not its own any more.
    drop(second);
    assert_eq!(taken(&seats), 4);
    // The clock need not move for it.
    let (fifth, goes) = enter(4, after(6));
    assert_eq!(goes, [sitter(2)]);
    drop(first);
    assert!(enter(5, after(7)).1.is_empty(), "there was room");
    drop((third, fourth, fifth, other));
    let table = seats.table();
    let left = (table.taken, table.keys.len(), table.closing.len());
    assert_eq!(left, (0, 0, 0), "what is gone takes no memory");
}

#[test]
fn the_last_seats_are_for_keys_that_have_none_and_most_of_them_for_who_may_revoke() {
    let seats = Arc::new(Seats::new(64, 1_000));
    let (root, nation) = (root(), root().appoint(100, 6));
    let thief = nation.appoint(1, 1);
    let mut held: Vec<_> = (0..60).map(|_| thief.enter(&seats, 0, START).unwrap().0).collect();
    // Four are left, and kept.
    let refused = thief.enter(&seats, 0, after(9)).unwrap_err();
    assert_eq!(refused.code, Code::TooManySessions);
    assert!(refused.to_string().contains("come again in 10 s"), "{refused}");
    let leaf = nation.appoint(2, 0);
    held.extend([&leaf, &root.appoint(3, 0)].map(|who| who.enter(&seats, 0, START).unwrap().0));
    assert!(root.appoint(4, 0).enter(&seats, 0, START).is_err(), "the last two are for who may delegate");
    held.push(nation.appoint(5, 1).enter(&seats, 0, START).unwrap().0);
    assert!(
        nation.appoint(6, 1).enter(&seats, 0, START).is_err(),
        "the last is for who is right below a root"
    );
    held.push(root.appoint(7, 1).enter(&seats, 0, START).unwrap().0);
    assert!(root.appoint(8, 1).enter(&seats, 0, START).is_err(), "there are no more");
    assert_eq!(taken(&seats), 64);
    // A phone whose line has died comes in its own place, where nothing else is left.
    for (number, of) in held.iter().enumerate() {
        of.note_heard(after(number as u64));
    }
    assert!(leaf.enter(&seats, 0, after(69)).is_err(), "its session has said something 9 s ago");
    let (back, goes) = leaf.enter(&seats, 0, after(70)).unwrap();
    assert_eq!((goes.len(), taken(&seats)), (1, 64));
    held.push(back);
}

#[test]
fn who_stands_above_others_takes_a_seat_of_the_branch_that_has_most() {
    let seats = Arc::new(Seats::new(8, 1_000));
    let root = root();
    let (nation, other) = (root.appoint(100, 6), root.appoint(101, 6));
    let (region, quiet) = (nation.appoint(102, 5), nation.appoint(103, 5));
    let mut held = Vec::new();
    for (worker, who) in [
        &quiet.appoint(1, 0),
        &quiet.appoint(2, 0),
        &region.appoint(3, 2),
        &region.appoint(4, 2).appoint(5, 1),
        &region.appoint(6, 2),
        &other.appoint(7, 0),
        &other.appoint(8, 0),
        &other.appoint(9, 0),
    ]
    .into_iter()
    .enumerate()
    {
        held.push(who.enter(&seats, worker, after(worker as u64)).unwrap().0);
    }
    // The one of the fullest branch that was silent longest, not the one of all.
    held[2].note_heard(after(9));
    let (first, goes) = nation.enter(&seats, 20, after(9)).unwrap();
    assert_eq!((goes, taken(&seats)), (vec![sitter(3)], 8));
    // Of two of the same size the one that has the longest silence.
    let (second, goes) = nation.enter(&seats, 21, after(9)).unwrap();
    assert_eq!(goes, [sitter(0)]);
    let (third, goes) = region.enter(&seats, 22, after(9)).unwrap();
    assert_eq!(goes, [sitter(4)]);
    assert!(region.appoint(10, 3).enter(&seats, 23, after(9)).is_err(), "it stands above nobody here");
    let (fourth, goes) = root.enter(&seats, 24, after(9)).unwrap();
    assert_eq!(goes, [sitter(1)], "of all below the nation, itself too");
    drop((held, first, second, third, fourth));
    assert_eq!(taken(&seats), 0);
}

#[test]
fn sessions_that_close_leave_their_seats_and_go_where_they_are_too_many() {
    let seats = Arc::new(Seats::new(2, 2));
    let nation = root().appoint(100, 6);
    let mut held = Vec::new();
    for number in 0..CLOSING_MIN + 2 {
        let (seat, goes) = nation.enter(&seats, number, START).unwrap();
        assert!(goes.is_empty(), "{number}: there is room");
        seat.vacate();
        held.push(seat);
    }
    assert_eq!(taken(&seats), 0);
    assert_eq!(nation.enter(&seats, 90, START).unwrap().1, [sitter(0)], "the first of those that close");
    // Those whose connections have ended make room by themselves.
    held.drain(..2);
    let (_seat, goes) = nation.enter(&seats, 91, START).unwrap();
    assert!(goes.is_empty());
    assert_eq!(taken(&seats), 1);
}

#[test]
fn a_relay_of_a_few_keeps_no_seat() {
    let seats = Arc::new(Seats::new(2, 2));
    let root = root();
    let [one, two] = [(); 2].map(|()| root.appoint(1, 0).enter(&seats, 0, START).unwrap());
    assert!(root.appoint(2, 1).enter(&seats, 0, START).is_err());
    drop((one, two));
}

#[test]
fn exercises_give_back_what_they_have_on_loan_and_keep_their_quarter() {
    let seats = Arc::new(Seats::new(64, 1_000));
    let (live, drill) = (root(), root_of(Plane::Exercise).appoint(100, 6));
    let mut held = Vec::new();
    // Nobody else is there: all but what is kept, whoever they are.
    for worker in 0..60 {
        held.push(drill.appoint(worker, 1).enter(&seats, worker.into(), after(worker.into())).unwrap().0);
    }
    assert!(drill.appoint(60, 1).enter(&seats, 0, after(60)).is_err(), "the kept ones are not for loan");
    let (seat, goes) = drill.enter(&seats, 0, after(60)).unwrap();
    assert_eq!(goes, [sitter(0)], "but who stands above comes in");
    held.push(seat);
    for worker in 0..4 {
        let nation = live.appoint(101 + worker, 6);
        let (seat, goes) = nation.enter(&seats, 0, after(60)).unwrap();
        assert!(goes.is_empty(), "kept for them");
        held.push(seat);
    }
    // Whoever comes live, with a seat or without, and however little he may do.
    let town = live.appoint(101, 6).appoint(120, 0);
    for number in 1..=44 {
        let (seat, goes) = town.enter(&seats, 0, after(61)).unwrap();
        assert!(!goes.is_empty());
        assert_eq!(seats.table().exercises, 60 - number, "one of theirs goes for each");
        held.push(seat);
    }
    assert_eq!(seats.table().exercises, 16);
    assert!(town.enter(&seats, 0, after(61)).is_err(), "a quarter is their own");
    drop(held);
    let table = seats.table();
    assert_eq!((table.taken, table.exercises, table.above.len()), (0, 0, 0));
}

#[test]
fn who_stands_above_on_one_plane_takes_no_seat_of_the_other() {
    let seats = Arc::new(Seats::new(2, 2));
    let [live, drill] = [Plane::Live, Plane::Exercise].map(|plane| root_of(plane).appoint(100, 6));
    let held = [1, 2].map(|seed| live.appoint(seed, 0).enter(&seats, 0, START).unwrap());
    assert_eq!(live.chain.key(), drill.chain.key());
    assert!(drill.enter(&seats, 0, after(20)).is_err(), "its revocations do not reach there");
    assert!(live.enter(&seats, 0, after(20)).is_ok());
    drop(held);
}
