//! The commands: each file has its `Args` (what may be typed) and `execute` (what is done).

pub mod accept_gap;
pub mod apply;
pub mod backtest;
pub mod config;
pub mod correlate;
pub mod decode;
pub mod demo;
pub mod explain;
pub mod migrate;
pub mod policy;
pub mod run;
pub mod simulate;
pub mod topics;
pub mod validate;
