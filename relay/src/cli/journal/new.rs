//! `vigie journal new`: says that a relay may begin a new journal in a folder. Nothing else does, but `vigie init`.

use super::args::JournalNew;
use super::failed;
use crate::cli::exit::Outcome;
use crate::cli::screen::Screen;
use crate::journal::mark_new;

pub(super) fn run(screen: &Screen, args: &JournalNew) -> Outcome {
    let lang = screen.lang;
    mark_new(&args.dir).map_err(|error| failed(lang, &args.dir, &error))?;
    if screen.json {
        return screen.object(&serde_json::json!({ "type": "journal_new", "dir": args.dir }));
    }
    screen.line(&lang.journal_marked(args.dir.display()))
}
