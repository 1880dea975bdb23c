//! `vigie cap validate`: everything that is wrong with CAP files, by line and element.

use serde::Serialize;
use vigie_client::cap::Examined;

use super::super::exit::{Exit, Failure, Outcome};
use super::super::screen::{Screen, Tone, escape};
use super::args::CapFiles;
use super::{read, shown};

/// What a finding is when the alert cannot be taken.
const FAULT: &str = "fault";

#[derive(Serialize)]
struct Finding<'a> {
    r#type: &'static str,
    file: &'a str,
    /// Which alert of the file, from 1; none when the file as a whole cannot be read.
    alert: Option<usize>,
    line: Option<u32>,
    element: Option<&'a str>,
    /// `fault`, `form`, `rule`, `conversion` or `note`.
    kind: &'static str,
    code: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    file: &'a str,
    alert: usize,
    line: u32,
    version: &'static str,
    conformant: bool,
    usable: bool,
    signatures: Signatures,
}

/// What is known of XML signatures: that they are there.
#[derive(Serialize)]
struct Signatures {
    present: usize,
    checked: bool,
}

pub(super) fn run(screen: &Screen, args: &CapFiles) -> Outcome {
    let options = args.supply.options();
    let mut failed = 0;
    for path in &args.files {
        let file = shown(path);
        match read::source(screen.lang, path)?.examine(&options) {
            Ok(alerts) => {
                for (index, examined) in alerts.iter().enumerate() {
                    let one = Judged { screen, file: &file, number: index + 1, of: alerts.len(), examined };
                    one.show()?;
                    failed += usize::from(!examined.is_conformant());
                }
            }
            Err(error) => {
                failed += 1;
                unreadable(screen, &file, &error)?;
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::VerificationFailed, screen.lang.cap_not_conformant(failed)))
}

fn unreadable(screen: &Screen, file: &str, error: &read::ReadError) -> Outcome {
    let lang = screen.lang;
    let (line, element, text) = match error {
        read::ReadError::Xml(error) => {
            (Some(error.line), error.fault.element(), escape(&lang.cap_fault(&error.fault)))
        }
        read::ReadError::Json { .. }
        | read::ReadError::Empty
        | read::ReadError::TooMany
        | read::ReadError::Export { .. } => (None, None, escape(&error.told(lang))),
    };
    let (kind, code) = (FAULT, error.code());
    show(screen, &Finding { r#type: "finding", file, alert: None, line, element, kind, code, text })
}

fn show(screen: &Screen, finding: &Finding<'_>) -> Outcome {
    if screen.json {
        return screen.object(finding);
    }
    let Finding { file, line, element, kind, code, text, .. } = finding;
    let line = line.map_or_else(String::new, |line| format!("{line}: "));
    let element = element.map_or_else(String::new, |element| format!("{element}: "));
    screen.line(&format!("{file}:{line}{element}{text} [{kind} {code}]"))
}

struct Judged<'a> {
    screen: &'a Screen,
    file: &'a str,
    number: usize,
    of: usize,
    examined: &'a Examined,
}

impl Judged<'_> {
    fn show(&self) -> Outcome {
        let Self { screen, file, number, examined, .. } = *self;
        let alert = Some(number);
        let faults = examined.alert.as_ref().err().into_iter().flatten().map(|fault| {
            let text = escape(&screen.lang.cap_fault(&fault.fault));
            let (line, element, code) = (Some(fault.line), fault.fault.element(), fault.code());
            Finding { r#type: "finding", file, alert, line, element, kind: FAULT, code, text }
        });
        let warnings = examined.warnings.iter().map(|warning| {
            let (kind, code) = (warning.code.kind().as_str(), warning.code.as_str());
            let (line, element) = (Some(warning.line), Some(&*warning.element));
            let text = screen.lang.cap_sentence(warning.code).to_owned();
            Finding { r#type: "finding", file, alert, line, element, kind, code, text }
        });
        let mut findings: Vec<Finding<'_>> = faults.chain(warnings).collect();
        findings.sort_by_key(|finding| finding.line);
        findings.iter().try_for_each(|finding| show(screen, finding))?;
        self.verdict()
    }

    fn verdict(&self) -> Outcome {
        let Self { screen, file, number, of, examined } = *self;
        let (version, conformant) = (examined.version.as_str(), examined.is_conformant());
        if screen.json {
            return screen.object(&Verdict {
                r#type: "validated",
                file,
                alert: number,
                line: examined.line,
                version,
                conformant,
                usable: examined.alert.is_ok(),
                signatures: Signatures { present: examined.signatures, checked: false },
            });
        }
        let lang = screen.lang;
        let which = if of > 1 { format!("{file} ({number}/{of})") } else { file.to_owned() };
        let verdict = match (conformant, &examined.alert) {
            (true, _) => screen.paint(Tone::Good, &lang.cap_conformant()),
            (false, Ok(_)) => screen.paint(Tone::Caution, &lang.cap_careless()),
            (false, Err(_)) => screen.paint(Tone::Bad, &lang.cap_unusable_alert()),
        };
        let mut line = format!("{which}: CAP {version}: {verdict}");
        if examined.signatures > 0 {
            line.push_str(&format!("; {}", lang.cap_signatures(examined.signatures)));
        }
        screen.line(&line)
    }
}
