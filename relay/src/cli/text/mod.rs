//! Every sentence of the command line, English and French side by side: one cannot be written without the other.
//!
//! What is inserted was escaped by the caller where it came from a stranger.

pub(super) mod help;
mod sdk;
#[macro_use]
mod sentences;
mod bench;
mod outbox;
mod status;
mod journal;
mod root;
mod trust;

use std::ffi::{OsStr, OsString};

use vigie_client::cap::{ImportError, ImportFault, Warning, WarningCode};
use vigie_proto::channel::Plane;
use vigie_proto::frame::GapReason;
use vigie_proto::severity::Severity;

/// The language of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    En,
    Fr,
}

impl Lang {
    /// What `--lang` asks for, else the locale of the environment, else English. Read before the arguments are
    /// parsed, since what is wrong with them is told in this language.
    pub(super) fn wanted(arguments: &[OsString]) -> Self {
        let mut after_flag = arguments.iter().skip_while(|argument| *argument != "--lang").skip(1);
        let joined = arguments.iter().find_map(|argument| argument.to_str()?.strip_prefix("--lang="));
        if let Some(given) = after_flag.next().and_then(|given| given.to_str()).or(joined) {
            return Self::of(given);
        }
        // The first that is set decides (POSIX, "Internationalization Variables").
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(std::env::var_os);
        set.filter(|value| !value.is_empty()).map(|value| Self::of_locale(&value)).next().unwrap_or(Self::En)
    }

    fn of_locale(value: &OsStr) -> Self {
        value.to_str().map_or(Self::En, Self::of)
    }

    fn of(text: &str) -> Self {
        if text.starts_with("fr") { Self::Fr } else { Self::En }
    }

    pub(super) const fn other(self) -> Self {
        self.choose(Self::Fr, Self::En)
    }

    /// The language tag for CAP.
    pub(super) const fn tag(self) -> &'static str {
        self.choose("en-US", "fr-FR")
    }

    const fn choose<T: Copy>(self, en: T, fr: T) -> T {
        match self {
            Self::En => en,
            Self::Fr => fr,
        }
    }

    /// A severity as people say it.
    pub(super) const fn severity(self, severity: Severity) -> &'static str {
        match severity {
            Severity::Minor => self.choose("Minor", "Mineure"),
            Severity::Moderate => self.choose("Moderate", "Modérée"),
            Severity::Severe => self.choose("Severe", "Sévère"),
            Severity::Extreme => self.choose("Extreme", "Extrême"),
        }
    }

    /// Why a range could not be given.
    pub(super) fn gap_reason(self, reason: GapReason) -> String {
        match reason {
            GapReason::OtherLog => self.gap_other_log(),
            GapReason::Removed => self.gap_removed(),
            GapReason::Ahead => self.gap_ahead(),
            GapReason::Damaged => self.gap_damaged(),
            other => other.as_str().to_owned(),
        }
    }

    /// What an import of CAP warns about, with its line.
    pub(super) fn cap_warning(self, warning: &Warning) -> String {
        match self {
            Self::En => warning.to_string(),
            Self::Fr => warning.french(),
        }
    }

    pub(super) const fn cap_sentence(self, code: WarningCode) -> &'static str {
        match self {
            Self::En => code.english(),
            Self::Fr => code.french(),
        }
    }

    /// Why a CAP file cannot be taken, with its line.
    pub(super) fn cap_error(self, error: &ImportError) -> String {
        match self {
            Self::En => error.to_string(),
            Self::Fr => error.french(),
        }
    }

    pub(super) fn cap_fault(self, fault: &ImportFault) -> String {
        match self {
            Self::En => fault.to_string(),
            Self::Fr => fault.french(),
        }
    }

    /// The name in a root that `vigie init` makes: seen by everyone who looks at a chain below it.
    pub(super) fn trial_root_name(self, plane: Plane) -> String {
        match plane {
            Plane::Live => self.choose("Trial root, live", "Racine d'essai, réel"),
            Plane::Exercise => self.choose("Trial root, exercise", "Racine d'essai, exercice"),
        }
        .to_owned()
    }

    /// The comments of `context.toml`: relays, TLS authorities, roots, identities.
    pub(super) const fn context_comments(self) -> [&'static str; 4] {
        self.choose(
            [
                "Where clients find what they need. The relays, tried in turn.",
                "Who certifies the relays' TLS (PEM).",
                "The pinned roots, live and exercise: nobody else is trusted, and not the relay.",
                "One folder for each identity: PLANE.key.pem (mode 0600) and PLANE.chain.",
            ],
            [
                "Où les clients trouvent ce qu'il leur faut. Les relais, essayés tour à tour.",
                "Qui certifie le TLS des relais (PEM).",
                "Les racines épinglées, réel et exercice : on ne se fie à nul autre, pas même au relais.",
                "Un dossier par identité : PLAN.key.pem (mode 0600) et PLAN.chain, PLAN étant live ou exercise.",
            ],
        )
    }

    /// Above the list of commands.
    pub(super) const fn commands_heading(self) -> &'static str {
        self.choose("Commands", "Commandes")
    }

    /// Above the options that every command has.
    pub(super) const fn everywhere_heading(self) -> &'static str {
        self.choose("Everywhere", "Partout")
    }

    /// The shape of a help page, for clap.
    pub(super) const fn help_template(self) -> &'static str {
        self.choose(
            "{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}",
            "{about-with-newline}\nUsage : {usage}\n\n{all-args}{after-help}",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_decides_in_either_spelling() {
        let wanted = |line: &str| Lang::wanted(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(wanted("vigie --lang fr errors"), Lang::Fr);
        assert_eq!(wanted("vigie errors --lang=fr"), Lang::Fr);
        assert_eq!(wanted("vigie errors --lang en"), Lang::En);
        assert_eq!(Lang::of_locale(OsStr::new("fr_FR.UTF-8")), Lang::Fr);
        assert_eq!(Lang::of_locale(OsStr::new("C")), Lang::En);
    }
}
