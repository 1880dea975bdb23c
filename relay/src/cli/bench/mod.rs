//! `vigie bench`: how much a relay takes, and how late it is then, seen by clients of the SDK that verify what they hear.
//!
//! Without a context it makes a relay for the purpose and throws it away, as `vigie demo` does; with one it loads the
//! first relay of it, on this machine only unless `--remote` is said, and on the exercise plane always.
//!
//! What it deliberately does not do: find the limit of a relay. Clients and, without a context, the relay share this
//! machine, and a reader's check of a signature costs more than the relay's delivery. What compares servers is in
//! `benches/`.

pub(super) mod args;
mod bed;
mod load;
mod report;

use args::BenchCommand;
use bed::Bed;
use report::Figures;

use super::demo;
use super::exit::{Exit, Failure, Outcome};
use super::session::Session;
use super::text::Lang;
use crate::config::RelayConfig;
use crate::rates::EXERCISE_SHARE;

/// What is timed in one measurement: each is 16 bytes here.
const SAMPLES_MAX: u64 = 2_000_000;
/// Publishes a second that the throw-away relay takes of exercises: more than a machine does.
const THROW_AWAY_RATE: u32 = 250_000;

pub(super) fn run(session: Session<'_>, command: &BenchCommand) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    if command.samples() > SAMPLES_MAX {
        return Err(Failure::new(Exit::Usage, lang.bench_too_much(command.samples(), SAMPLES_MAX)));
    }
    let wanted = command.identities();
    if session.global.context.is_some() {
        let bed = Bed::of_context(session, command.target(), wanted)?;
        if !bed.has_others() {
            screen.say(&lang.bench_no_others());
        }
        let figures = session.block_on(measure(lang, &bed, command))?;
        return told(session, command, &bed, false, figures);
    }
    let (bed, figures) = demo::on_stage(screen, raise, async |stage, mut end| {
        let bed = Bed::of_stage(lang, stage.context(), command.target(), wanted)?;
        let figures = tokio::select! {
            biased;
            () = end.asked() => return Err(Failure::new(Exit::Partial, lang.bench_interrupted())),
            figures = measure(lang, &bed, command) => figures?,
        };
        Ok((bed, figures))
    })?;
    told(session, command, &bed, true, figures)
}

/// A relay whose rates do not bound what is measured.
fn raise(config: &mut RelayConfig) {
    config.publishes_per_credential_max = THROW_AWAY_RATE;
    config.publishes_max = Some(THROW_AWAY_RATE * EXERCISE_SHARE);
    config.connections_per_address_max = config.connections_max;
    config.sessions_per_key_max = config.connections_max;
    config.strangers_per_address_max = config.strangers_max;
}

async fn measure(lang: Lang, bed: &Bed, command: &BenchCommand) -> Result<Figures, Failure> {
    match command {
        BenchCommand::Fanout(args) => load::fanout(lang, bed, args).await,
        BenchCommand::Publish(args) => load::publish(lang, bed, args).await,
        BenchCommand::Connect(args) => load::connect(bed, args).await,
        BenchCommand::Resume(args) => load::resume(lang, bed, args).await,
    }
}

fn told(session: Session<'_>, command: &BenchCommand, bed: &Bed, is_ours: bool, figures: Figures) -> Outcome {
    let is_whole = figures.lost() == 0 && figures.failed.is_empty();
    report::show(session.screen, command.name(), bed, is_ours, figures)?;
    if is_whole { Ok(()) } else { Err(Failure::quiet(Exit::Partial)) }
}
