//! For each reason: a message, who is barred from it for that reason alone, and who is not.

use vigie_proto::channel::{Flow, Plane};
use vigie_proto::hear::{Barred, Reader, Said, barred};
use vigie_proto::label::{Label, Tlp};
use vigie_proto::message::Message;
use vigie_proto::severity::Severity::{Extreme, Minor, Severe};
use vigie_tests::world::{Person, World, appoint, grant, message};

const PARIS: &str = "fr.idf.75.paris";
const NANTERRE: &str = "fr.idf.92.nanterre";

/// Somebody and what he asks to hear.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) person: Person,
    pub(crate) filter: String,
}

/// See the module's documentation.
pub(crate) struct Cast {
    pub(crate) reason: Barred,
    pub(crate) world: World,
    /// Says nothing but this one message, so that whoever knows his credential has it from there.
    pub(crate) author: Person,
    pub(crate) secret: Message,
    pub(crate) jws: String,
    pub(crate) outsider: Listener,
    pub(crate) twin: Listener,
}

/// The text of the message: nowhere else.
pub(crate) const TEXT: &str = "Confidentiel-7d1f0c52";

impl Cast {
    pub(crate) fn new(reason: Barred) -> Self {
        let world = World::new();
        let live = &world.live;
        let listener = |person: &Person, filter: String| Listener { person: person.clone(), filter };
        let everyone = Label::CLEAR;
        let paris = "fr.etat.idf.paris".parse().unwrap();
        let for_paris = Label::new(Tlp::Amber, [paris]).unwrap();
        let alert = |place: &str| format!("alert/{place}");
        let signal = |place: &str| format!("signal/{place}");
        let (channel, severity, label, outsider, twin) = match reason {
            Barred::Plane => (
                format!("exercise/alert/{PARIS}"),
                Severe,
                everyone,
                listener(&live.town, alert(PARIS)),
                listener(&world.exercise.town, format!("exercise/alert/{PARIS}")),
            ),
            Barred::Flow => (
                signal(PARIS),
                Severe,
                everyone,
                listener(&live.town, alert(PARIS)),
                listener(&live.town, signal(PARIS)),
            ),
            Barred::Place => (
                alert(NANTERRE),
                Severe,
                everyone,
                listener(&live.town, alert(PARIS)),
                listener(&live.neighbour, alert(NANTERRE)),
            ),
            Barred::Severity => (
                signal(PARIS),
                Minor,
                everyone,
                listener(&live.nation, signal("fr")),
                listener(&live.nation, signal("fr.**")),
            ),
            Barred::Audience => (
                alert(PARIS),
                Severe,
                for_paris,
                listener(&live.field, alert(PARIS)),
                listener(&live.town, alert(PARIS)),
            ),
            other => panic!("a new reason needs its outsider and his twin: {other:?}"),
        };
        let secret = Message { label, ..message(&channel, TEXT, severity) };
        let above = if secret.channel.plane == Plane::Live { &live.nation } else { &world.exercise.nation };
        let everything = |flow| grant(flow, "fr", Some(Extreme), 0);
        let author = appoint(above, "fr.etat.cabinet", [Flow::Alert, Flow::Signal].map(everything).to_vec());
        let jws = author.sign(&secret);
        Self { reason, author, secret, jws, outsider, twin, world }
    }

    /// What the outsider hears as soon as it is said: all before has been given by then.
    pub(crate) fn fence(&self, listener: &Listener, text: &str) -> (Person, String) {
        let command = if listener.person.chain.plane() == Plane::Live {
            &self.world.live
        } else {
            &self.world.exercise
        };
        let channel = listener.filter.trim_end_matches(".**");
        (command.root.clone(), command.root.say(channel, text, Extreme))
    }

    /// The judgement in proto agrees that nothing but the reason stands between them.
    pub(crate) fn is_barred_for_that_reason_alone(&self) {
        let judged = |listener: &Listener| {
            let filters = vec![listener.filter.parse().unwrap()];
            barred(&Reader::new(&listener.person.chain, filters).unwrap(), Said::from(&self.secret))
        };
        assert_eq!((judged(&self.outsider), judged(&self.twin)), (Some(self.reason), None));
    }
}
