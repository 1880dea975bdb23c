//! `vigie errors`: what a refusal code means, offline.

use vigie_proto::refusal::{Code, Ends};

use super::args::Errors;
use super::exit::{Exit, Failure, Outcome};
use super::screen::{Screen, Tone, escape};
use super::suggest::closest;
use super::text::Lang;

pub(super) fn run(screen: &Screen, args: &Errors) -> Outcome {
    match args.code.as_deref() {
        None => Code::ALL.iter().try_for_each(|code| list(screen, *code)),
        Some(text) => explain(screen, text.parse().map_err(|_| unknown(screen.lang, text))?),
    }
}

fn unknown(lang: Lang, text: &str) -> Failure {
    let mut told = lang.unknown_code(escape(text));
    if let Some(meant) = closest(text, Code::ALL.iter().map(|code| code.as_str())) {
        told.push_str(&lang.did_you_mean(meant));
    }
    Failure::new(Exit::Usage, told)
}

fn sentence(lang: Lang, code: Code) -> &'static str {
    match lang {
        Lang::En => code.english(),
        Lang::Fr => code.french(),
    }
}

fn list(screen: &Screen, code: Code) -> Outcome {
    if screen.json {
        return object(screen, code);
    }
    /// The longest code has 24 letters.
    const WIDTH: usize = 24;
    screen.line(&format!("{:WIDTH$}  {}", code.as_str(), sentence(screen.lang, code)))
}

fn explain(screen: &Screen, code: Code) -> Outcome {
    if screen.json {
        return object(screen, code);
    }
    let (lang, other) = (screen.lang, screen.lang.other());
    screen.line(&screen.paint(Tone::Strong, code.as_str()))?;
    screen.line(sentence(lang, code))?;
    screen.line(sentence(other, code))?;
    screen.line(&match code.ends() {
        Ends::Http(status) => lang.ends_http(status),
        Ends::Close(close) => lang.ends_close(close),
        Ends::Request => lang.ends_request(),
    })?;
    screen.line(&if code.is_temporary() { lang.retryable() } else { lang.not_retryable() })
}

fn object(screen: &Screen, code: Code) -> Outcome {
    let (http, close) = match code.ends() {
        Ends::Http(status) => (Some(status), None),
        Ends::Close(close) => (None, Some(close)),
        Ends::Request => (None, None),
    };
    screen.object(&serde_json::json!({
        "type": "code", "code": code, "en": code.english(), "fr": code.french(), "temporary": code.is_temporary(),
        "http": http, "close": close,
    }))
}
