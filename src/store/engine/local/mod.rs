//! The engine on a local disk: one shared write-ahead log, folded later by partition.
//!
//! `docs/formats.md` has the bytes of every file; design §6 the reasons.

mod adopt;
mod ahead;
mod assemble;
mod batch_index;
mod buffers;
mod cache;
mod checkpoint;
mod cold;
mod data;
mod data_writer;
mod disk;
mod disk_speed;
mod engine;
mod fold;
mod found;
mod frame;
mod index;
mod layout;
mod log;
mod lonely;
mod open;
mod read;
mod read_memory;
mod recovery;
mod room;
mod run_list;
mod seek;
mod segment;
mod settings;
mod shared;
mod snapshot;
mod span;
mod table;
mod threads;
mod upkeep;
mod warm;
mod zeros;

pub use assemble::bytes_before_lone_batch;
pub use buffers::{ALIGNMENT, aligned};
pub use disk::Directory;
#[cfg(test)]
pub use disk::{Disk, DiskFile, Open};
pub use engine::Local;
pub use settings::{LocalSettings, OpenError, Pace};

#[cfg(test)]
mod tests;
