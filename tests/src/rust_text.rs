//! As much of Rust's grammar as the tidy checks need: what is code, where tests stand, how long functions are.
//!
//! A parser crate would know more and take longer to build than all the checks take to write: comments, literals and
//! braces suffice, because rustfmt has been over the files before.

use std::iter;

/// The text with comments and the insides of literals blanked; lines and columns stay where they are.
#[must_use]
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = token_end(&chars, at);
        let keep = end == at + 1;
        code.extend(chars[at..end].iter().map(|c| if keep || *c == '\n' { *c } else { ' ' }));
        at = end;
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at + 1` if none begins there.
fn token_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let length = match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['r', '"' | '#', ..] if !continues_word(chars, at) => raw_string(rest).unwrap_or(1),
        ['"', ..] => quoted(rest, '"').unwrap_or(rest.len()),
        ['\'', '\\', ..] => quoted(rest, '\'').unwrap_or(1),
        // Otherwise a quote begins a lifetime.
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    };
    at + length
}

fn continues_word(chars: &[char], at: usize) -> bool {
    // `br"…"` is the one word that may stand before a raw string's `r`.
    let before = |back: usize| at.checked_sub(back).map(|index| chars[index]);
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    is_word(before(1)) && (before(1) != Some('b') || is_word(before(2)))
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#` and so on; nothing for `r#name`.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = iter::once('"').chain(iter::repeat_n('#', hashes)).collect();
    let body = 2 + hashes;
    let length = rest[body..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(rest.len(), |length| body + length + close.len()))
}

fn quoted(rest: &[char], quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in rest.iter().enumerate().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if *c == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// The identifiers and numbers of a piece of code.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// A function as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// From there to its closing brace, both included.
    pub lines: usize,
}

/// Every function with a body in `code`, as [`code_only`] gives it.
#[must_use]
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begins_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if begins_word
            && !name.is_empty()
            && let Some(length) = item_length(&code[at..])
        {
            let line = code[..at].matches('\n').count() + 1;
            found.push(Function { name, line, lines: code[at..at + length].matches('\n').count() + 1 });
        }
    }
    found
}

/// The bytes of an item up to the brace that closes its body; nothing if it ends with a semicolon instead.
fn item_length(code: &str) -> Option<usize> {
    let mut braces = 0;
    let mut brackets = 0;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(at + 1);
                }
            }
            ';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

/// For each line of `code` whether it belongs to an item under `#[cfg(test)]`.
#[must_use]
pub fn test_lines(code: &str) -> Vec<bool> {
    const MARK: &str = "#[cfg(test)]";
    let mut is_test = vec![false; code.lines().count()];
    for (at, _) in code.match_indices(MARK) {
        let item = &code[at + MARK.len()..];
        let first = code[..at].matches('\n').count();
        let length = item_length(item).map_or(1, |length| item[..length].matches('\n').count() + 1);
        is_test.iter_mut().skip(first).take(length).for_each(|line| *line = true);
    }
    is_test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x { \" y", 'z')"#, "f(          ,    )"),
            (r##"let s = r#"a "quoted" {"# ;"##, "let s =                   ;"),
            ("br\"{\" + r\"}\"", "b     +     "),
            (r"&'a str, '\'', '{'", "&'a str,     ,    "),
            ("r#type", "r#type"),
        ] {
            assert_eq!(code_only(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        let code = code_only("trait T { fn a(&self) -> [u8; 2]; }\nfn b() {\n    fn c() {}\n}\nlet f: fn (u8) = d;");
        let found: Vec<_> = functions(&code).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("b".to_owned(), 2, 3), ("c".to_owned(), 3, 1)]);
    }

    #[test]
    fn lines_under_cfg_test_are_known() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    x\n}\nfn b() {}\n#[cfg(test)]\nmod more;\nfn c() {}";
        let expected = [false, true, true, true, true, false, true, false, false];
        assert_eq!(test_lines(code), expected);
    }
}
