//! The Kafka face.
