//! Adoption: a segment of the log whose runs are long is kept as it is, with an index.

use super::data::{DataName, DataRun, DataSegment};
use super::found::Found;
use super::run_list::RunList;
use super::segment::LogAt;
use super::shared::{Sealed, Shared};
use super::upkeep::Upkeep;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

/// Runs of a partition that folding must merge on average.
const RUNS_MERGED_MIN: usize = 2;
/// Mean length of groups whose syncs take no longer where no block was written before.
const LARGE_GROUP_BYTES: u64 = 64 << 10;

impl Shared {
    /// Whether writing a segment anew would gain nothing: its runs are long, or hardly any
    /// partition has more than one. A file that is less than half alive would be rewritten at
    /// once.
    pub fn is_worth_keeping(&self, sealed: &Sealed, found: &Found) -> bool {
        let runs = || found.iter().flat_map(|(_, runs)| runs);
        let alive: u64 = runs().map(|run| run.bytes).sum();
        let count = runs().count();
        let are_long = alive >= self.settings.adopt_run_bytes_min * count as u64;
        count > 0
            && (are_long || count < RUNS_MERGED_MIN * found.len())
            && alive >= sealed.segment.bytes / 2
    }

    /// Whether the groups in a segment are so large that the next one need not be filled with
    /// zeros for their syncs (decision 11).
    pub fn has_large_groups(&self, found: &Found) -> bool {
        let runs = || found.iter().flat_map(|(_, runs)| runs);
        let alive: u64 = runs().map(|run| run.bytes).sum();
        let groups: HashSet<LogAt> = runs().map(|run| run.group).collect();
        alive >= LARGE_GROUP_BYTES * groups.len() as u64
    }

    /// Writes a footer behind the log in this segment, which makes it a data segment. Its bytes
    /// need not be read for that.
    pub fn adopt(&self, upkeep: &mut Upkeep, sealed: &Sealed, found: Found) -> io::Result<()> {
        let segment = &sealed.segment;
        let mut list = RunList::default();
        for (partition, runs) in &found {
            list.begin(*partition);
            for run in runs {
                let mut at = segment.file_at(run.group) + run.start as u64;
                for info in run.batches.iter() {
                    list.add(at, info);
                    at += u64::from(info.bytes);
                }
            }
        }
        let footer_at = segment.file_at(sealed.end);
        let footer = list.finish(footer_at)?;
        segment.file.write_at(footer_at, &footer.bytes)?;
        segment.file.sync()?;
        let name = DataName::Adopted(segment.header.sequence);
        let data = Arc::new(DataSegment::new(name, segment.file.clone(), footer_at));
        data.set_live(footer.runs.iter().map(|run| run.bytes).sum());
        upkeep.data.push(data.clone());
        let run = |summary| DataRun::new(data.clone(), summary);
        let runs = footer.runs.into_iter().map(run).collect();
        drop(found);
        self.exchange(upkeep, sealed, runs);
        self.core.lock().sealed.pop_front();
        upkeep.adopted += 1;
        Ok(())
    }
}
