//! The proof of the engines: one state machine of random operations, steps, crashes and reopenings
//! that each of them passes, judged against plain vectors and maps (design §6, §8).
//!
//! `BRAID_SUITE_CASES` raises the number of cases; `BRAID_SUITE_SEED` starts elsewhere.

mod atoms;
pub mod bytes;
mod callers;
mod delaying;
mod faulty;
mod judge;
mod model;
mod on_disk;
mod ops;
mod play;
mod resolve;
mod rot;
mod subject;
mod tests;
mod threads;
