//! Health and metrics, for whoever runs the server: pages without a socket. The HTTP listener of
//! the Kinesis face serves them.

mod pages;

pub use pages::{Admin, Page};
