//! Writes a folded segment: runs first, then the footer.

use super::data::{DataName, DataSegment, RunSummary, header};
use super::disk::{Disk, DiskFile, Open};
use super::run_list::RunList;
use crate::store::PartitionId;
use crate::store::engine::BatchInfo;
use std::io;
use std::sync::Arc;

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 1 << 20;

pub struct DataWriter {
    disk: Arc<dyn Disk>,
    number: u64,
    /// Made with the first batch.
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes written to the file before `buffer`.
    written: u64,
    buffer: Vec<u8>,
    runs: RunList,
}

impl DataWriter {
    pub fn new(disk: Arc<dyn Disk>, number: u64) -> DataWriter {
        DataWriter {
            disk,
            number,
            file: None,
            written: 0,
            buffer: header(number),
            runs: RunList::default(),
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
            self.buffer.extend_from_slice(batch);
            if self.buffer.len() >= WRITE_BYTES {
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
        self.buffer.extend_from_slice(&footer.bytes);
        self.flush()?;
        let file = self.file.take().expect("flush() made it");
        if let Err(error) = file.sync() {
            self.file = Some(file);
            return Err(error);
        }
        let bytes = footer.runs.iter().map(|run| run.bytes).sum();
        let name = DataName::Folded(self.number);
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
                    .open(&DataName::Folded(self.number).file(), Open::New)?,
            ),
        };
        file.write_at(self.written, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A file that was not finished is of no use; if it cannot be removed, the next start does.
impl Drop for DataWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.disk.remove(&DataName::Folded(self.number).file());
        }
    }
}
