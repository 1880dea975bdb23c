//! What is made from the command line's own description: completions and manual pages.

use std::io;

use clap::Command;

use super::args::{Completions, Man};
use super::exit::{Exit, Failure, Outcome};
use super::screen::Screen;

pub(super) fn completions(screen: &Screen, args: &Completions, mut command: Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "vigie", &mut script);
    screen.raw(&String::from_utf8_lossy(&script))
}

/// All pages into a folder, or the main page on stdout.
pub(super) fn manual(screen: &Screen, args: &Man, command: Command) -> Outcome {
    let failed = |error: io::Error| Failure::new(Exit::Failure, screen.lang.cannot_write_output(error));
    match &args.dir {
        Some(dir) => {
            // Everybody may read them, unlike the folders that other commands make.
            std::fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(command, dir).map_err(failed)?;
            screen.say(&screen.lang.pages_written(dir.display()));
            Ok(())
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
            screen.raw(&String::from_utf8_lossy(&page))
        }
    }
}
