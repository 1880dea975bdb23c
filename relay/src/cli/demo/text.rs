//! What the demo says, in French and English.

use std::fmt::Display;
use std::net::SocketAddr;

use vigie_proto::refusal::Code;

use super::expect::{Broken, Counts};
use super::scenes::{Lie, Made, Scene, Who};
use crate::cli::text::Lang;

const fn pick(lang: Lang, french: &'static str, english: &'static str) -> &'static str {
    match lang {
        Lang::Fr => french,
        Lang::En => english,
    }
}

pub(super) fn no_folder(lang: Lang, why: &dyn Display) -> String {
    match lang {
        Lang::Fr => {
            format!("impossible de créer un dossier temporaire : {why} ; vérifiez TMPDIR et la place libre")
        }
        Lang::En => format!("cannot make a temporary folder: {why}; check TMPDIR and free space"),
    }
}

pub(super) fn no_relay(lang: Lang, why: &dyn Display) -> String {
    match lang {
        Lang::Fr => format!("le relais de la démonstration a failli : {why}"),
        Lang::En => format!("the relay of the demo failed: {why}"),
    }
}

pub(super) fn opening(lang: Lang, address: SocketAddr, dir: impl Display) -> String {
    match lang {
        Lang::Fr => format!(
            "Démonstration de Vigie : tout y est fictif, rien ne sort de cette machine.\n\
             Relais {address} (TLS 1.3), confiance jetable dans {dir}\n\nQui écoute quoi :"
        ),
        Lang::En => format!(
            "Vigie demo: all of it is fictitious, nothing leaves this machine.\n\
             Relay {address} (TLS 1.3), throw-away trust in {dir}\n\nWho listens to what:"
        ),
    }
}

pub(super) const fn scene(lang: Lang, scene: Scene) -> &'static str {
    match scene {
        Scene::National => {
            pick(lang, "1. Une alerte nationale : tous l'entendent", "1. A national alert: all hear it")
        }
        Scene::Regional => pick(
            lang,
            "2. Une alerte régionale : les villes de la région l'entendent, Bordeaux non",
            "2. A regional alert: the towns of the region hear it, Bordeaux does not",
        ),
        Scene::Signals => pick(
            lang,
            "3. Deux signaux du terrain : le mineur reste à Paris, le grave monte jusqu'à la nation",
            "3. Two signals from the field: the minor one stays in Paris, the severe one rises to the nation",
        ),
        Scene::Exercise => pick(
            lang,
            "4. EXERCICE : seul le plan d'exercice l'entend, personne au réel",
            "4. EXERCISE: only the exercise plane hears it, nobody on the live plane",
        ),
        Scene::Refusals => pick(
            lang,
            "5. Un faux, un message altéré, un message hors de son territoire : le relais refuse",
            "5. A forgery, a tampered message, one outside its author's territory: the relay refuses",
        ),
        Scene::Log => pick(
            lang,
            "6. Le journal : chacun y retrouve, sur le disque du relais, ce qu'il a entendu (messages)",
            "6. The log: everyone finds again, on the relay's disk, what they heard (messages)",
        ),
        Scene::Liar => pick(
            lang,
            "7. Un relais qui ment : le lecteur ne montre rien de faux comme vérifié",
            "7. A relay that lies: the reader shows nothing false as verified",
        ),
    }
}

pub(super) const fn who(lang: Lang, who: Who) -> &'static str {
    match who {
        Who::Nation => pick(lang, "nation", "nation"),
        Who::Region => pick(lang, "Île-de-France", "Île-de-France"),
        Who::Town => pick(lang, "Paris", "Paris"),
        Who::Neighbour => pick(lang, "Nanterre", "Nanterre"),
        Who::Elsewhere => pick(lang, "Bordeaux", "Bordeaux"),
        Who::Field => pick(lang, "terrain (Paris)", "field (Paris)"),
        Who::Drill => pick(lang, "EXERCICE (Paris)", "EXERCISE (Paris)"),
    }
}

/// Who speaks, by the name of its identity.
pub(super) fn author(lang: Lang, identity: &'static str) -> &'static str {
    let known = Who::ALL.into_iter().find(|one| one.identity() == identity);
    known.map_or(identity, |one| who(lang, one))
}

/// What is wrong with a message, for those that are made to be refused.
pub(super) const fn made(lang: Lang, made: Made) -> Option<&'static str> {
    match made {
        Made::Honestly => None,
        Made::SignedBy(_) => Some(pick(
            lang,
            "faux : au nom de Paris, signé par la clé de Nanterre",
            "forged: in the name of Paris, signed by the key of Nanterre",
        )),
        Made::ThenTampered => Some(pick(
            lang,
            "altéré : après la signature, les 100 mètres sont devenus 900",
            "tampered: after it was signed, the 100 metres became 900",
        )),
        Made::PastTheSdk => Some(pick(
            lang,
            "hors de son territoire : Paris parle pour toute la France",
            "out of place: Paris speaks for all of France",
        )),
    }
}

pub(super) const fn exercise(lang: Lang) -> &'static str {
    pick(lang, "EXERCICE", "EXERCISE")
}

pub(super) const fn receipted(lang: Lang) -> &'static str {
    pick(lang, "REÇU : sur le disque du relais", "RECEIPT: on the relay's disk")
}

pub(super) fn refused(lang: Lang, code: Code) -> String {
    match lang {
        Lang::Fr => format!("REFUSÉ {code} : {}", code.french()),
        Lang::En => format!("REFUSED {code}: {}", code.english()),
    }
}

pub(super) const fn verified(lang: Lang) -> &'static str {
    pick(lang, "VÉRIFIÉ", "VERIFIED")
}

pub(super) const fn suspect(lang: Lang) -> &'static str {
    pick(lang, "SUSPECT", "SUSPECT")
}

pub(super) const fn gap(lang: Lang) -> &'static str {
    pick(lang, "LACUNE", "GAP")
}

pub(super) const fn dropped(lang: Lang) -> &'static str {
    pick(lang, "ÉCARTÉ : déjà entendu", "DROPPED: heard already")
}

pub(super) const fn silent(lang: Lang) -> &'static str {
    pick(lang, "SILENCE", "SILENCE")
}

pub(super) const fn lie(lang: Lang, lie: Lie) -> &'static str {
    match lie {
        Lie::Truth => pick(lang, "un vrai message, tel quel", "a true message, as it is"),
        Lie::Flipped => pick(lang, "un bit du texte est changé", "one bit of the text is changed"),
        Lie::Relabelled => pick(
            lang,
            "une alerte pour Nanterre, adressée à Paris",
            "an alert for Nanterre, addressed to Paris",
        ),
        Lie::Swapped => pick(lang, "le corps d'un autre message", "the body of another message"),
        Lie::Replayed => pick(lang, "le vrai message, une seconde fois", "the true message, a second time"),
        Lie::Misdirected => pick(
            lang,
            "une alerte de Bordeaux, que Paris n'écoute pas",
            "an alert of Bordeaux, which Paris does not hear",
        ),
        Lie::Foreign => pick(
            lang,
            "une chaîne dont la racine est celle du relais",
            "a chain under a root of the relay's own",
        ),
        Lie::ExerciseAsLive => pick(lang, "servi comme une alerte réelle", "served as a live alert"),
    }
}

pub(super) fn first_verified(lang: Lang, after: &str) -> String {
    match lang {
        Lang::Fr => format!(
            "Première alerte vérifiée {after} après le démarrage. Les délais vont de la publication au message\n\
             vérifié chez le lecteur ; le premier de chaque auteur comprend l'ouverture de sa session."
        ),
        Lang::En => format!(
            "First verified alert {after} after the start. Delays run from the publish to the message verified\n\
             at the reader; the first of each author includes the opening of its session."
        ),
    }
}

pub(super) fn sums(lang: Lang, counts: &Counts) -> String {
    let Counts { published, delivered, refused, suspect, .. } = counts;
    match lang {
        Lang::Fr => format!(
            "{published} messages publiés (dont un point de situation après chaque scène, sur chaque plan), \
             {delivered} remises vérifiées, {refused} refus, {suspect} suspects."
        ),
        Lang::En => format!(
            "{published} messages published (one report after each scene on each plane among them), \
             {delivered} verified deliveries, {refused} refusals, {suspect} suspects."
        ),
    }
}

pub(super) fn verdict(lang: Lang, held: usize, all: usize) -> String {
    let good = held == all;
    match lang {
        Lang::Fr => {
            format!("{} : {held} attentes tenues sur {all}.", if good { "TOUT EST TENU" } else { "ÉCHEC" })
        }
        Lang::En => {
            format!("{}: {held} of {all} expectations held.", if good { "ALL HELD" } else { "FAILED" })
        }
    }
}

pub(super) fn broken(lang: Lang, broken: &Broken) -> String {
    match lang {
        Lang::Fr => format!("attente non tenue : {broken}"),
        Lang::En => format!("expectation broken: {broken}"),
    }
}

/// How to join. A test runs these commands as they stand, so what has spaces is quoted.
pub(super) fn joining(lang: Lang, vigie: &str, dir: &str) -> String {
    let (vigie, with) = (quoted(vigie), format!("--context {} --as", quoted(dir)));
    let exercise = exercise(lang);
    let [head, rises, road, drill, end] = match lang {
        Lang::Fr => [
            "Le relais reste ouvert. Dans un autre terminal :",
            "La Seine monte encore",
            "Chaussée inondée",
            "EXERCICE : appel des équipes",
            "Ctrl-C pour finir : le dossier est alors effacé.",
        ],
        Lang::En => [
            "The relay stays open. In another terminal:",
            "The Seine is still rising",
            "Road under water",
            "EXERCISE: call of the teams",
            "Ctrl-C to end: the folder is removed then.",
        ],
    };
    format!(
        "\n{head}\n  \
         {vigie} sub alert/fr.idf.75.paris signal/fr.idf.75.paris --after 0 {with} town\n  \
         {vigie} pub alert/fr.idf \"{rises}\" --severity Severe {with} region\n  \
         {vigie} pub signal/fr.idf.75.paris \"{road}\" {with} field\n  \
         {vigie} pub alert/fr.idf \"{drill}\" --exercise {with} region    # {exercise}\n{end}"
    )
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

pub(super) const fn overdue(lang: Lang) -> &'static str {
    pick(lang, "la démonstration n'a pas fini à temps", "the demo did not end in time")
}

pub(super) const fn interrupted(lang: Lang) -> &'static str {
    pick(lang, "interrompu ; le dossier est effacé", "interrupted; the folder is removed")
}
