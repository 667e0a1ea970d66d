//! The command as whoever starts it sees it: what is typed and piped in, what comes out, with which exit code.
//!
//! One test binary; each file holds the rows of one subject, and all of them are checked by [`started::Started`].

#![expect(clippy::unwrap_used, reason = "where the world of a test is not as it should be, the test fails")]

mod backtest;
mod config;
mod correlate;
mod decode;
mod demo;
mod explain;
mod policy;
mod started;
mod threads;
mod usage;
mod validate;
