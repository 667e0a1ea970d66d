//! The name of a registry's version: what a sequence of signals says when another one comes into force.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Of how many hexadecimal digits a version consists.
pub const VERSION_DIGITS: usize = 16;

/// The version of a registry with that text (JSON Lines): the first digits of the text's SHA-256, in lower case. Two
/// texts that say the same differently are two versions.
#[must_use]
pub fn version_of(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(VERSION_DIGITS / 2).fold(String::with_capacity(VERSION_DIGITS), |mut digits, byte| {
        // Writing into a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_beginning_of_the_sum_of_the_text() {
        // FIPS 180-4, the empty message and "abc".
        assert_eq!(version_of(b""), "e3b0c44298fc1c14");
        assert_eq!(version_of(b"abc"), "ba7816bf8f01cfea");
    }
}
