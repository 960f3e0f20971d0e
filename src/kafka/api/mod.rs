//! One handler for each API.

pub mod api_versions;
pub mod metadata;
