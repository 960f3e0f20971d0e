//! Adoption: a segment of the log whose runs are long is kept as it is, with an index.

use super::data::{DataName, DataRun, DataSegment};
use super::found::Found;
use super::run_list::RunList;
use super::shared::{Sealed, Shared};
use super::upkeep::Upkeep;
use std::io;
use std::sync::Arc;

impl Shared {
    /// Whether a segment's runs are so long that writing them anew would gain nothing. A file
    /// that is less than half alive would be rewritten at once.
    pub fn is_worth_keeping(&self, sealed: &Sealed, found: &Found) -> bool {
        let runs = || found.iter().flat_map(|(_, runs)| runs);
        let alive: u64 = runs().map(|run| run.bytes).sum();
        let count = runs().count() as u64;
        count > 0
            && alive / count >= self.settings.adopt_run_bytes_min
            && alive >= sealed.segment.bytes / 2
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
        self.exchange(segment, runs);
        self.core.lock().sealed.pop_front();
        upkeep.adopted += 1;
        Ok(())
    }
}
