//! The four measurements, each an open loop: what is due is done when it is due, whatever became of what was before, and
//! its time counts from when it was due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use vigie_client::{Client, Delivery, Exercise, PublishError, Receipt, SignedMessage, Subscription};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::id::MessageId;

use super::args::{Connect, Fanout, Publish, Rate, Resume};
use super::bed::{Bed, DEADLINE};
use super::report::{Figures, Times};
use crate::cli::exit::{Exit, Failure};
use crate::cli::text::Lang;

/// What is still on its way after the last was due.
const DRAIN: Duration = Duration::from_secs(10);
/// Lines that are opened at once: fewer than a relay takes of strangers from one address.
const OPENING_MAX: usize = 32;

/// What readers have heard, of all of them.
#[derive(Debug, Default)]
struct Heard {
    /// When each message was due.
    due: HashMap<MessageId, Instant>,
    times: Times,
    /// More than the gaps between deliveries: all is there.
    wanted: u64,
}

#[derive(Debug, Default)]
struct Board {
    heard: Mutex<Heard>,
    all_came: Notify,
}

impl Board {
    fn with<T>(&self, act: impl FnOnce(&mut Heard) -> T) -> T {
        act(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, id: MessageId) {
        let now = Instant::now();
        let is_last = self.with(|heard| {
            let Some(due) = heard.due.get(&id) else { return false };
            heard.times.add(now.saturating_duration_since(*due));
            heard.times.count() == heard.wanted
        });
        if is_last {
            self.all_came.notify_one();
        }
    }
}

/// Readers hear what one author says at a steady rate.
pub(super) async fn fanout(lang: Lang, bed: &Bed, args: &Fanout) -> Result<Figures, Failure> {
    let rate = Rate::new(args.rate, args.seconds);
    let deliveries = u64::from(rate.count) * u64::from(args.readers);
    let mut figures = Figures::new(rate.count.into(), deliveries);
    let board = Arc::new(Board::default());
    board.with(|heard| heard.wanted = deliveries);
    let mut listening = JoinSet::new();
    for (mut subscription, _) in open_all(lang, bed, args.readers).await? {
        let board = Arc::clone(&board);
        listening.spawn(async move {
            while let Some(delivery) = subscription.next().await {
                if let Delivery::Message(message) = delivery {
                    board.note(message.id());
                }
            }
        });
    }
    let author = bed.author()?;
    let messages = sign_all(bed, std::slice::from_ref(&author), rate.count)?;
    warm(lang, bed, &author).await?;
    let start = Instant::now();
    board.with(|heard| {
        let due =
            messages.iter().enumerate().map(|(number, (_, message))| (message.id(), at(start, rate, number)));
        heard.due = due.collect();
    });
    publish_all(messages, start, rate, &mut figures, |_, _| {}).await;
    let _ = tokio::time::timeout(DRAIN, board.all_came.notified()).await;
    figures.took = start.elapsed();
    listening.shutdown().await;
    figures.times = board.with(|heard| std::mem::take(&mut heard.times));
    Ok(figures)
}

/// Authors publish at a steady rate, all together; what is timed is the receipt.
pub(super) async fn publish(lang: Lang, bed: &Bed, args: &Publish) -> Result<Figures, Failure> {
    let rate = Rate::new(args.rate, args.seconds);
    let authors: Vec<Client<Exercise>> =
        (0..args.authors).map(|number| bed.other(number)).collect::<Result<_, _>>()?;
    let messages = sign_all(bed, &authors, rate.count)?;
    for author in &authors {
        warm(lang, bed, author).await?;
    }
    let mut figures = Figures::new(rate.count.into(), rate.count.into());
    let start = Instant::now();
    publish_all(messages, start, rate, &mut figures, |figures, time| figures.times.add(time)).await;
    figures.took = start.elapsed();
    Ok(figures)
}

/// Newcomers come at a steady rate, log in, subscribe, and go.
pub(super) async fn connect(bed: &Bed, args: &Connect) -> Result<Figures, Failure> {
    let rate = Rate::new(args.rate, args.seconds);
    let mut figures = Figures::new(rate.count.into(), rate.count.into());
    let (start, mut coming) = (Instant::now(), JoinSet::new());
    for number in 0..rate.count {
        let due = at(start, rate, number as usize);
        tokio::time::sleep_until(due.into()).await;
        figures.late.add(due.elapsed());
        let client = bed.other(number)?;
        let filter = bed.filter();
        coming.spawn(async move {
            let subscription = client.subscribe(vec![filter], Start::Here);
            caught_up(subscription).await.map(|_| due.elapsed())
        });
        while let Some(came) = coming.try_join_next() {
            note_connection(&mut figures, came.ok().flatten());
        }
    }
    while let Some(came) = coming.join_next().await {
        note_connection(&mut figures, came.ok().flatten());
    }
    figures.took = start.elapsed();
    Ok(figures)
}

fn note_connection(figures: &mut Figures, took: Option<Duration>) {
    match took {
        Some(took) => figures.times.add(took),
        None => figures.note_failure("not_connected"),
    }
}

/// Readers go away, miss messages, and all come back at once; what is timed is each message that was missed.
pub(super) async fn resume(lang: Lang, bed: &Bed, args: &Resume) -> Result<Figures, Failure> {
    let mut figures = Figures::new(args.messages.into(), u64::from(args.messages) * u64::from(args.readers));
    let cursors: Vec<Cursor> =
        open_all(lang, bed, args.readers).await?.into_iter().map(|(_, cursor)| cursor).collect();
    let author = bed.author()?;
    let mut missed = HashMap::new();
    for (client, message) in sign_all(bed, std::slice::from_ref(&author), args.messages)? {
        // One after another: how fast they come in is not what is measured.
        match client.publish_signed(&message).await {
            Ok(_) => drop(missed.insert(message.id(), ())),
            Err(error) => figures.note_publish_failure(&error),
        }
    }
    let (missed, start, mut coming) = (Arc::new(missed), Instant::now(), JoinSet::new());
    for (number, cursor) in (0..args.readers).zip(cursors) {
        let (client, filter, missed) = (bed.other(number)?, bed.filter(), Arc::clone(&missed));
        coming.spawn(async move {
            let mut subscription = client.subscribe(vec![filter], Start::After(cursor));
            let mut times = Vec::new();
            let read = async {
                while times.len() < missed.len() {
                    let Some(delivery) = subscription.next().await else { return };
                    if let Delivery::Message(message) = delivery
                        && missed.contains_key(&message.id())
                    {
                        times.push(start.elapsed());
                    }
                }
            };
            let _ = tokio::time::timeout(DEADLINE, read).await;
            times
        });
    }
    while let Some(times) = coming.join_next().await {
        times.unwrap_or_default().into_iter().for_each(|time| figures.times.add(time));
    }
    figures.took = start.elapsed();
    Ok(figures)
}

fn at(start: Instant, rate: Rate, number: usize) -> Instant {
    start + rate.interval * u32::try_from(number).unwrap_or(u32::MAX)
}

/// Messages for these authors, each its turn.
fn sign_all(
    bed: &Bed,
    authors: &[Client<Exercise>],
    count: u32,
) -> Result<Vec<(Client<Exercise>, SignedMessage)>, Failure> {
    let turns = (0..count).zip(authors.iter().cycle());
    turns.map(|(number, author)| Ok((author.clone(), bed.sign(author, number)?))).collect()
}

/// The line of an author stands before anything is timed.
async fn warm(lang: Lang, bed: &Bed, author: &Client<Exercise>) -> Result<(), Failure> {
    let message = bed.sign(author, u32::MAX)?;
    let sent = author.publish_signed(&message).await;
    sent.map(|_| ()).map_err(|error| crate::cli::session::publish_failed(lang, &error))
}

type Published = (Instant, Result<Receipt, PublishError>, Duration);

/// Publishes each message when it is due, and waits for what comes of all of them.
async fn publish_all(
    messages: Vec<(Client<Exercise>, SignedMessage)>,
    start: Instant,
    rate: Rate,
    figures: &mut Figures,
    stored: impl Fn(&mut Figures, Duration),
) {
    let note = |figures: &mut Figures, (_, outcome, took): Published| match outcome {
        Ok(_) => stored(figures, took),
        Err(error) => figures.note_publish_failure(&error),
    };
    let mut under_way: JoinSet<Published> = JoinSet::new();
    for (number, (client, message)) in messages.into_iter().enumerate() {
        let due = at(start, rate, number);
        tokio::time::sleep_until(due.into()).await;
        figures.late.add(due.elapsed());
        under_way.spawn(async move {
            let outcome = client.publish_signed(&message).await;
            (due, outcome, due.elapsed())
        });
        while let Some(Ok(published)) = under_way.try_join_next() {
            note(figures, published);
        }
    }
    while let Some(published) = under_way.join_next().await {
        if let Ok(published) = published {
            note(figures, published);
        }
    }
}

/// Subscriptions that have caught up, some at a time, with where they stand.
async fn open_all(
    lang: Lang,
    bed: &Bed,
    count: u32,
) -> Result<Vec<(Subscription<Exercise>, Cursor)>, Failure> {
    let (mut opened, mut opening, mut next) = (Vec::new(), JoinSet::new(), 0);
    while opened.len() < usize::try_from(count).unwrap_or(usize::MAX) {
        while next < count && opening.len() < OPENING_MAX {
            let (client, filter) = (bed.other(next)?, bed.filter());
            opening.spawn(async move { caught_up(client.subscribe(vec![filter], Start::Here)).await });
            next += 1;
        }
        let came = opening.join_next().await.and_then(Result::ok).flatten();
        let none = || Failure::new(Exit::Unreachable, lang.bench_not_connected(opened.len(), count));
        opened.push(came.ok_or_else(none)?);
    }
    Ok(opened)
}

/// Waits until the line stands and all there was is given; `None` when it does not in time.
async fn caught_up(mut subscription: Subscription<Exercise>) -> Option<(Subscription<Exercise>, Cursor)> {
    let wait = async {
        loop {
            if let Delivery::CaughtUp(cursor) = subscription.next().await? {
                return Some(cursor);
            }
        }
    };
    let cursor = tokio::time::timeout(DEADLINE, wait).await.ok().flatten()?;
    Some((subscription, cursor))
}
