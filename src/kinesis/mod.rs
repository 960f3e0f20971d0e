//! The Kinesis face.

mod iterator;
mod routing;
mod sequence;
