//! The Kinesis face.
