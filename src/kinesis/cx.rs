//! What a handler sees: the store, this face's settings, the clock.

use super::reader::Reader;
use crate::clock::Clock;
use crate::config::KinesisConfig;
use crate::store::View;
use std::sync::Arc;

/// One per request.
#[derive(Clone)]
pub struct Cx {
    pub store: View,
    pub config: Arc<KinesisConfig>,
    pub clock: Clock,
    pub reader: Arc<Reader>,
}
