//! Consumer groups.

/// Every group that has members.
#[derive(Debug, Default)]
pub struct Groups {}
