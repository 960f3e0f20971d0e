//! Decompression of records as a stream: what a batch claims about itself costs no memory.

use super::batch::Codec;
use super::snappy::Snappy;
use bytes::{Buf, Bytes};
use std::io::{self, Read};

/// Largest zstd window: the one of compression level 22, which Kafka's producers may choose. The
/// window is reserved when a frame claims it and costs memory only as far as it is filled.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Largest window of any codec.
pub const WINDOW_BYTES_MAX: usize = 1 << ZSTD_WINDOW_LOG_MAX;

/// A reader of what `packed` expands to.
pub fn inflate(codec: Codec, packed: Bytes) -> io::Result<Box<dyn Read + Send>> {
    let reader = packed.clone().reader();
    Ok(match codec {
        Codec::None => Box::new(reader),
        // Java reads several members as one stream.
        Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Codec::Snappy => Box::new(Snappy::new(packed)),
        Codec::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(reader)),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}
