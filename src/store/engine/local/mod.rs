//! The engine on a local disk: one shared write-ahead log, folded later by partition.

mod disk;
