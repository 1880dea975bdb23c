//! `vigie cap`: CAP files to JSON and back, and what is wrong with them. Needs no context, no network and no key.
//!
//! XML and JSON are told apart by their first character, so that what one command writes the others read. All files
//! are read, whatever is wrong with one; the exit code says whether anything was.

pub(super) mod args;
pub(super) mod folder;
mod read;
pub(super) mod references;
mod validate;

use std::path::Path;

use vigie_client::cap::{ImportError, Imported, Warning, export, export_list};
use vigie_proto::cap::Alert;

use self::args::{CapCommand, CapFiles, CapToXml};
use self::folder::CapFolder;
use super::exit::{Exit, Failure, Outcome};
use super::screen::{Screen, escape};

pub(super) fn run(screen: &Screen, command: &CapCommand) -> Outcome {
    match command {
        CapCommand::ToJson(args) => to_json(screen, args),
        CapCommand::ToXml(args) => to_xml(screen, args),
        CapCommand::Validate(args) => validate::run(screen, args),
    }
}

fn to_json(screen: &Screen, args: &CapFiles) -> Outcome {
    let mut reading = Reading::new(screen);
    for file in &args.files {
        for alert in reading.alerts(file, &args.supply)? {
            screen.object(&alert)?;
        }
    }
    reading.end()
}

fn to_xml(screen: &Screen, args: &CapToXml) -> Outcome {
    let mut reading = Reading::new(screen);
    let mut alerts = Vec::new();
    for file in &args.files {
        alerts.extend(reading.alerts(file, &args.supply)?);
    }
    match &args.dir {
        Some(dir) => {
            let folder = CapFolder::open(screen.lang, dir)?;
            for alert in &alerts {
                reading.exported(folder.write_alert(screen.lang, alert)?);
            }
        }
        None => {
            let xml = match &alerts[..] {
                [] => return reading.end(),
                [alone] => export(alone),
                several => {
                    screen.say(&screen.lang.cap_list(several.len()));
                    export_list(several)
                }
            };
            match xml {
                Ok(xml) => screen.raw(&xml)?,
                Err(error) => reading.exported(Some(error.to_string())),
            }
        }
    }
    reading.end()
}

/// Reads one file after another, tells on stderr what is to be said about each, and remembers whether any failed.
struct Reading<'s> {
    screen: &'s Screen,
    failed: usize,
}

impl<'s> Reading<'s> {
    const fn new(screen: &'s Screen) -> Self {
        Self { screen, failed: 0 }
    }

    /// The alerts of a file that can be taken. What cannot is told.
    fn alerts(&mut self, file: &Path, supply: &args::Supply) -> Result<Vec<Alert>, Failure> {
        let source = read::source(self.screen.lang, file)?;
        let alerts = match source.alerts(&supply.options()) {
            Ok(alerts) => alerts,
            Err(error) => {
                self.refused(file, &error);
                return Ok(Vec::new());
            }
        };
        let mut taken = Vec::with_capacity(alerts.len());
        for one in alerts {
            match one {
                Ok(Imported { alert, warnings, signatures, .. }) => {
                    warnings.iter().for_each(|warning| self.warned(file, warning));
                    if signatures > 0 {
                        let told = self.screen.lang.cap_signatures(signatures);
                        self.screen.warn(&format!("{}: {told}", shown(file)));
                    }
                    taken.push(alert);
                }
                Err(error) => self.refused(file, &read::ReadError::from(error)),
            }
        }
        Ok(taken)
    }

    fn warned(&self, file: &Path, warning: &Warning) {
        let told = escape(&self.screen.lang.cap_warning(warning));
        self.screen.warn(&format!("{}: {told} [{}]", shown(file), warning.code.as_str()));
    }

    fn refused(&mut self, file: &Path, error: &read::ReadError) {
        self.failed += 1;
        let told = format!("{} [{}]", escape(&error.told(self.screen.lang)), error.code());
        super::screen::talk(&format!("{}{}: {told}", self.screen.lang.error_prefix(), shown(file)));
    }

    /// Tells why an alert could not be written, if so.
    fn exported(&mut self, problem: Option<String>) {
        if let Some(problem) = problem {
            self.failed += 1;
            super::screen::talk(&format!("{}{}", self.screen.lang.error_prefix(), escape(&problem)));
        }
    }

    fn end(self) -> Outcome {
        if self.failed == 0 {
            return Ok(());
        }
        Err(Failure::new(Exit::VerificationFailed, self.screen.lang.cap_not_taken(self.failed)))
    }
}

/// A file as it may be shown.
fn shown(file: &Path) -> String {
    escape(&file.display().to_string())
}

impl From<ImportError> for read::ReadError {
    fn from(error: ImportError) -> Self {
        Self::Xml(error)
    }
}
