//! Does one fixed piece of work, for `benches/instructions`, which counts what the processor does for it.

use std::io;

use fenghuo_benches::tell;
use fenghuo_benches::work::{NAMES, Work};

// The product's allocator, and part of the program: the system's differs from machine to machine.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(mut work) = Work::prepare(&name) else {
        return Err(io::Error::other(format!("no work is called {name:?}; there are: {}", NAMES.join(", "))));
    };
    let made = counted(&mut work);
    tell(&name, work.taken, made, work.fingerprint())
}

/// What is counted: valgrind collects from here on, until it returns.
#[inline(never)]
fn counted(work: &mut Work) -> usize {
    std::hint::black_box(work).run()
}
