//! Writes a folded segment: runs first, then the footer.

use super::buffers::aligned;
use super::data::{DataName, DataSegment, RunSummary, header};
use super::disk::{Disk, DiskFile, Open};
use super::run_list::RunList;
use super::segment::BLOCK_BYTES;
use super::threads::PIECE_BYTES_MAX;
use crate::store::PartitionId;
use crate::store::engine::BatchInfo;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;

pub struct DataWriter<'a> {
    disk: Arc<dyn Disk>,
    number: u64,
    /// Made with the first batch.
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes written to the file before `buffer`.
    written: u64,
    buffer: BytesMut,
    runs: RunList,
    /// Is told before each write how many bytes are written, says how many the next may be, and
    /// may wait, so that the disk is not kept busy with this alone.
    pace: &'a dyn Fn(u64) -> usize,
}

impl<'a> DataWriter<'a> {
    pub fn new(disk: Arc<dyn Disk>, number: u64, pace: &'a dyn Fn(u64) -> usize) -> DataWriter<'a> {
        let mut buffer = aligned(PIECE_BYTES_MAX);
        buffer.extend_from_slice(&header(number));
        DataWriter {
            disk,
            number,
            file: None,
            written: 0,
            buffer,
            runs: RunList::default(),
            pace,
        }
    }

    /// What follows is of this partition.
    pub fn begin(&mut self, partition: PartitionId) {
        self.runs.begin(partition);
    }

    /// Adds whole batches, in order.
    pub fn write(&mut self, bytes: &[u8], batches: &[BatchInfo]) -> io::Result<()> {
        let mut rest = bytes;
        for info in batches {
            self.runs.add(self.end(), info);
            let (batch, after) = rest.split_at(info.bytes as usize);
            rest = after;
            self.append(batch)?;
        }
        Ok(())
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let fitting = bytes.len().min(PIECE_BYTES_MAX - self.buffer.len());
            let (fitting, rest) = bytes.split_at(fitting);
            self.buffer.extend_from_slice(fitting);
            bytes = rest;
            if self.buffer.len() == PIECE_BYTES_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// What follows is not of the same run.
    pub fn end_run(&mut self) {
        self.runs.end_run();
    }

    /// Writes the footer, and syncs. `None` if there was no batch, and then no file.
    pub fn finish(&mut self) -> io::Result<Option<(DataSegment, Vec<RunSummary>)>> {
        if self.runs.is_empty() {
            return Ok(None);
        }
        let footer = self.runs.finish(self.end())?;
        self.append(&footer.bytes)?;
        self.flush()?;
        let file = self.file.as_ref().expect("flush() made it");
        file.sync()?;
        let name = DataName::Folded(self.number);
        let file = file.clone();
        self.file = None;
        let bytes = footer.runs.iter().map(|run| run.bytes).sum();
        Ok(Some((DataSegment::new(name, file, bytes), footer.runs)))
    }

    fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(
                self.disk
                    .open_for_blocks(&DataName::Folded(self.number).file(), Open::New)?,
            ),
        };
        let whole = self.buffer.len() / BLOCK_BYTES as usize * BLOCK_BYTES as usize;
        let (blocks, rest) = self.buffer.split_at(whole);
        let mut at = self.written;
        let mut left = blocks;
        while !left.is_empty() {
            let (piece, behind) = left.split_at((self.pace)(at).min(left.len()));
            file.write_blocks_at(at, piece)?;
            at += piece.len() as u64;
            left = behind;
        }
        if !rest.is_empty() {
            file.write_at(at, rest)?;
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A file that was not finished is of no use; if it cannot be removed, the next start does.
impl Drop for DataWriter<'_> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.disk.remove(&DataName::Folded(self.number).file());
        }
    }
}
