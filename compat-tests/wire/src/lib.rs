//! Test server and raw clients for both protocols; no client library.
