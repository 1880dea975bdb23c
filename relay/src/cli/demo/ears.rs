//! Those who listen: subscriptions of the SDK on both planes, and what they are given as plain values.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::ready;
use futures_util::stream::{BoxStream, StreamExt as _};
use vigie_client::{Client, Delivery, Exercise, HistoryError, Live, OnPlane, Page, Subscription};
use vigie_proto::channel::{Filter, Plane};
use vigie_proto::frame::Start;
use vigie_proto::limits::HISTORY_LIMIT_MAX;
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;

use super::scenes::Who;
use super::stage::{Cast, Voice};

/// What a reader was given.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Verified(Arc<str>),
    Suspect(Arc<str>, Code),
    Gap,
    CaughtUp,
}

impl Item {
    fn of<P: OnPlane>(delivery: Delivery<P>) -> Self {
        match delivery {
            Delivery::Message(verified) => Self::Verified(verified.token().into()),
            Delivery::Suspect(suspect) => Self::Suspect(suspect.token, suspect.code),
            Delivery::CaughtUp(_) => Self::CaughtUp,
            // What a later SDK may tell is no message either.
            Delivery::Gap(_) | _ => Self::Gap,
        }
    }
}

/// A message that came after the play, as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) who: Who,
    pub(super) channel: String,
    pub(super) severity: Severity,
    /// A stranger's text.
    pub(super) headline: String,
}

impl Said {
    fn of<P: OnPlane>(who: Who, delivery: Delivery<P>) -> Option<Self> {
        let Delivery::Message(verified) = delivery else { return None };
        let message = verified.message();
        Some(Self {
            who,
            channel: message.channel.to_string(),
            severity: message.severity,
            headline: message.content.cap.headline("fr").unwrap_or_default().to_owned(),
        })
    }
}

#[derive(Debug)]
enum On {
    Live(Subscription<Live>),
    Exercise(Subscription<Exercise>),
}

/// One reader, on a session of its own.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) who: Who,
    on: On,
}

/// What came until something was waited for.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) who: Who,
    pub(super) items: Vec<(Instant, Item)>,
    /// Whether it came.
    pub(super) complete: bool,
}

/// What a reader hears, as filters of its plane.
pub(super) fn filters(who: Who) -> Vec<Filter> {
    let prefix = if who.plane() == Plane::Exercise { "exercise/" } else { "" };
    let filter =
        |text: &&str| format!("{prefix}{text}").parse().expect("the channels in the table are well formed");
    who.channels().iter().map(filter).collect()
}

impl Ear {
    /// Listens from the beginning: the log is new, so nothing is missed, however long the line takes to open.
    pub(super) fn open(cast: &Cast, who: Who) -> Self {
        let on = match cast.voice(who.identity(), who.plane()) {
            Voice::Live(client) => On::Live(client.subscribe(filters(who), Start::Beginning)),
            Voice::Exercise(client) => On::Exercise(client.subscribe(filters(who), Start::Beginning)),
        };
        Self { who, on }
    }

    /// Hears another relay.
    pub(super) fn at(client: &Client<Live>, who: Who) -> Self {
        Self { who, on: On::Live(client.subscribe(filters(who), Start::Beginning)) }
    }

    async fn next(&mut self) -> Option<Item> {
        match &mut self.on {
            On::Live(subscription) => subscription.next().await.map(Item::of),
            On::Exercise(subscription) => subscription.next().await.map(Item::of),
        }
    }

    /// Takes what comes until `last` does, at most until `deadline`.
    pub(super) async fn until(&mut self, last: impl Fn(&Item) -> bool, deadline: Instant) -> Heard {
        let mut heard = Heard { who: self.who, items: Vec::new(), complete: false };
        while !heard.complete {
            let Ok(Some(item)) = tokio::time::timeout_at(deadline.into(), self.next()).await else { break };
            heard.complete = last(&item);
            heard.items.push((Instant::now(), item));
        }
        heard
    }

    /// The verified messages that come from now on.
    pub(super) fn into_messages(self) -> BoxStream<'static, Said> {
        let who = self.who;
        match self.on {
            On::Live(subscription) => subscription.filter_map(move |one| ready(Said::of(who, one))).boxed(),
            On::Exercise(subscription) => {
                subscription.filter_map(move |one| ready(Said::of(who, one))).boxed()
            }
        }
    }
}

/// Everything in the log that somebody may hear: read from the relay's disk, judged by the SDK.
///
/// # Errors
/// The relay gave no page.
pub(super) async fn log_of(cast: &Cast, who: Who) -> Result<Vec<Item>, HistoryError> {
    let filters = filters(who);
    Ok(match cast.voice(who.identity(), who.plane()) {
        Voice::Live(client) => items(client.history(filters, None, HISTORY_LIMIT_MAX).await?),
        Voice::Exercise(client) => items(client.history(filters, None, HISTORY_LIMIT_MAX).await?),
    })
}

fn items<P: OnPlane>(page: Page<P>) -> Vec<Item> {
    page.deliveries.into_iter().map(Item::of).collect()
}
