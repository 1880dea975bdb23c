//! The arguments of `vigie cap`, and those that supply what an older CAP file lacks.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use vigie_client::cap::{ImportOptions, Zone};
use vigie_proto::cap::{Category, Scope};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CapCommand {
    ToJson(CapFiles),
    ToXml(CapToXml),
    Validate(CapFiles),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CapFiles {
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) supply: Supply,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CapToXml {
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) supply: Supply,
}

/// What the caller says where the file says nothing.
#[derive(Debug, Args)]
pub(in crate::cli) struct Supply {
    #[arg(long, value_name = "TYPE")]
    mime_type: Option<String>,
    #[arg(long, value_name = "SCOPE", value_parser = scope_parser(), ignore_case = true)]
    scope: Option<Scope>,
    #[arg(long, value_name = "CATEGORY", value_parser = category_parser(), ignore_case = true)]
    category: Option<Category>,
    // West of Greenwich it begins with a hyphen.
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    zone: Option<Zone>,
    #[arg(long, value_name = "NAME")]
    value_name: Option<String>,
}

impl Supply {
    pub(in crate::cli) fn options(&self) -> ImportOptions {
        let mut options = ImportOptions::default();
        options.mime_type.clone_from(&self.mime_type);
        options.scope = self.scope;
        options.category = self.category;
        options.zone.clone_from(&self.zone);
        options.value_name.clone_from(&self.value_name);
        options
    }
}

fn scope_parser() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.iter().map(|scope| scope.as_str()))
        .map(|text| *one_of(Scope::ALL, |scope| scope.as_str(), &text))
}

fn category_parser() -> impl TypedValueParser<Value = Category> {
    PossibleValuesParser::new(Category::ALL.iter().map(|category| category.as_str()))
        .map(|text| *one_of(Category::ALL, |category| category.as_str(), &text))
}

fn one_of<T: Copy>(all: &'static [T], name: fn(T) -> &'static str, text: &str) -> &'static T {
    let given = all.iter().find(|one| name(**one).eq_ignore_ascii_case(text));
    given.expect("the parser before this one took only these words")
}
