//! The examples in Markdown documents, so that tests can read what people will copy.

use crate::tree::Source;

/// A fenced block: its language and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The document.
    pub path: String,
    /// The line of its first line of text, from 1.
    pub line: usize,
    /// What stands behind the opening fence, such as `json` or `toml policy`.
    pub label: String,
    /// The text between the fences.
    pub text: String,
}

/// Every fenced block of a document, in order; an unclosed one ends with the document.
#[must_use]
pub fn examples(document: &Source) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<Example> = None;
    for (number, line) in (1..).zip(document.text.lines()) {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(label), None) => {
                let label = label.trim().to_owned();
                open = Some(Example { path: document.path.clone(), line: number + 1, label, text: String::new() });
            }
            (Some(_), Some(closed)) => found.push(closed),
            (None, Some(mut example)) => {
                example.text.push_str(line);
                example.text.push('\n');
                open = Some(example);
            }
            (None, None) => {}
        }
    }
    found.extend(open);
    found
}

impl Example {
    /// The JSON values of the block, each with its line: one for `json`, one a line for `jsonl`; none for others.
    #[must_use]
    pub fn json_texts(&self) -> Vec<(usize, &str)> {
        match self.label.split(' ').next() {
            Some("json") => vec![(self.line, self.text.as_str())],
            Some("jsonl") => (self.line..).zip(self.text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_lines() {
        let document = Source::new("a.md", "# A\n```json\n{}\n```\ntext\n```jsonl other\n1\n\n2\n```\n```sh\nls\n");
        let found = examples(&document);
        let labels: Vec<_> = found.iter().map(|example| (example.line, example.label.as_str())).collect();
        assert_eq!(labels, [(3, "json"), (7, "jsonl other"), (12, "sh")]);
        let values: Vec<_> = found.iter().flat_map(Example::json_texts).collect();
        assert_eq!(values, [(3, "{}\n"), (7, "1"), (9, "2")]);
    }
}
