//! For whom an answer is written: people or programs. One option, with the same words in every command that has it.

use clap::ValueEnum;

/// The option, to be flattened into a command's arguments.
#[derive(Debug, clap::Args)]
pub struct FormArgs {
    /// For whom the answer is written
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// For whom an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// For programs: JSON, one object a line
    Json,
}
