//! A disk in memory that forgets, tears, reorders and rots whatever a real one may.
//!
//! Until a file is synced, each of its 512-byte sectors may after a power failure hold any of the
//! contents it was given since the last sync, or the one before. Until the directory is synced,
//! the newest creations, renames and removals may be undone.

use super::bytes::Noise;
use super::ops::{Power, Trouble};
use crate::store::engine::{Disk, DiskFile, Open};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const SECTOR_BYTES: usize = 512;

/// One machine's disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct Faulty {
    machine: Arc<Mutex<Machine>>,
}

#[derive(Default)]
struct Machine {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    /// Names as they are on the platter.
    synced_names: BTreeMap<String, usize>,
    /// Every state of the names since, oldest first.
    unsynced_names: Vec<BTreeMap<String, usize>>,
    /// Open files of earlier lives are of no use.
    life: u64,
    /// Changes until everything fails, as if the machine had gone down.
    fuse: Option<u64>,
    trouble: Option<(Trouble, u64)>,
    troubled: Option<Trouble>,
    /// Bytes that all files may have together.
    space: Option<u64>,
    changes: u64,
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    synced: Vec<u8>,
    /// What sectors were given since the last sync, oldest first.
    unsynced: BTreeMap<usize, Vec<Vec<u8>>>,
}

struct Handle {
    machine: Arc<Mutex<Machine>>,
    file: usize,
    life: u64,
}

impl Faulty {
    /// Ends the life of whoever has the disk open.
    pub fn crash(&self, power: Power, seed: u64) {
        let mut machine = self.machine.lock();
        machine.life += 1;
        machine.fuse = None;
        machine.trouble = None;
        machine.troubled = None;
        if power == Power::Fails {
            machine.lose(&mut Noise::new(seed));
        }
    }

    /// After `changes` more, everything fails until the next crash.
    pub fn light_fuse(&self, changes: u64) {
        self.machine.lock().fuse = Some(changes);
    }

    /// The operation of this kind after `others` others of its kind fails.
    pub fn trouble(&self, trouble: Trouble, others: u64) {
        match trouble {
            Trouble::Down => self.light_fuse(others),
            trouble => self.machine.lock().trouble = Some((trouble, others)),
        }
    }

    /// Takes back trouble that has not come yet.
    pub fn calm(&self) {
        let mut machine = self.machine.lock();
        machine.trouble = None;
        machine.fuse = None;
    }

    /// The operation that has failed since the last crash.
    pub fn troubled(&self) -> Option<Trouble> {
        self.machine.lock().troubled
    }

    /// Allows no more than `left` bytes beyond what is taken; `None` for any.
    pub fn leave_space(&self, left: Option<u64>) {
        let mut machine = self.machine.lock();
        let taken = machine.taken();
        machine.space = left.map(|left| taken + left);
    }

    /// Writes, syncs and changes of names so far.
    pub fn changes(&self) -> u64 {
        self.machine.lock().changes
    }

    /// Names and lengths of all files.
    pub fn files(&self) -> Vec<(String, usize)> {
        let machine = self.machine.lock();
        let names = machine.names.iter();
        names
            .map(|(name, at)| (name.clone(), machine.files[*at].content.len()))
            .collect()
    }

    /// Changes bytes as no write did.
    pub fn rot(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut machine = self.machine.lock();
        let file = machine.names[name];
        let file = &mut machine.files[file];
        change(&mut file.content);
        file.synced = file.content.clone();
        file.unsynced.clear();
    }

    /// The same bytes on another disk.
    pub fn copy(&self) -> Faulty {
        let copy = Faulty::default();
        let machine = self.machine.lock();
        let mut other = copy.machine.lock();
        for (name, file) in &machine.names {
            let content = machine.files[*file].content.clone();
            let at = other.files.len();
            other.names.insert(name.clone(), at);
            other.files.push(File {
                synced: content.clone(),
                content,
                unsynced: BTreeMap::new(),
            });
        }
        other.synced_names = other.names.clone();
        drop(other);
        copy
    }
}

impl Machine {
    /// Counts a change, unless it is the one that fails.
    fn change(&mut self, kind: Trouble) -> io::Result<()> {
        if let Some(fuse) = &mut self.fuse {
            if *fuse == 0 {
                self.troubled = Some(Trouble::Down);
                return Err(io::Error::other("the machine is down"));
            }
            *fuse -= 1;
        }
        if let Some((trouble, others)) = &mut self.trouble
            && *trouble == kind
        {
            if *others == 0 {
                self.trouble = None;
                self.troubled = Some(kind);
                return Err(io::Error::from_raw_os_error(5));
            }
            *others -= 1;
        }
        self.changes += 1;
        Ok(())
    }

    fn taken(&self) -> u64 {
        let lengths = self
            .names
            .values()
            .map(|file| self.files[*file].content.len());
        lengths.sum::<usize>() as u64
    }

    /// Makes a file at least `bytes` long if there is space.
    fn grow(&mut self, file: usize, bytes: usize) -> io::Result<()> {
        let length = self.files[file].content.len();
        let more = bytes.saturating_sub(length) as u64;
        if more > 0 && self.space.is_some_and(|space| self.taken() + more > space) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.files[file].content.resize(length.max(bytes), 0);
        Ok(())
    }

    fn rename_within<T>(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>) -> T) {
        change(&mut self.names);
        self.unsynced_names.push(self.names.clone());
    }

    fn lose(&mut self, noise: &mut Noise) {
        let survives = noise.below(self.unsynced_names.len() + 1);
        if survives > 0 {
            self.synced_names = self.unsynced_names.swap_remove(survives - 1);
        }
        self.names = self.synced_names.clone();
        self.unsynced_names.clear();
        for file in &mut self.files {
            file.lose(noise);
        }
    }
}

impl File {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.content[at..at + bytes.len()].copy_from_slice(bytes);
        if bytes.is_empty() {
            return;
        }
        for sector in at / SECTOR_BYTES..=(at + bytes.len() - 1) / SECTOR_BYTES {
            let start = sector * SECTOR_BYTES;
            let end = self.content.len().min(start + SECTOR_BYTES);
            let given = self.content[start..end].to_vec();
            self.unsynced.entry(sector).or_default().push(given);
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.unsynced).into_keys() {
            let start = sector * SECTOR_BYTES;
            let end = self.content.len().min(start + SECTOR_BYTES);
            self.synced.resize(self.synced.len().max(end), 0);
            self.synced[start..end].copy_from_slice(&self.content[start..end]);
        }
        self.synced.resize(self.content.len(), 0);
    }

    fn lose(&mut self, noise: &mut Noise) {
        let style = noise.below(4);
        for (sector, given) in std::mem::take(&mut self.unsynced) {
            let newest = given.len();
            let survives = match style {
                0 => 0,
                1 => newest,
                _ => noise.below(newest + 1),
            };
            if survives == 0 {
                continue;
            }
            let start = sector * SECTOR_BYTES;
            let bytes = &given[survives - 1];
            let end = start + bytes.len();
            self.synced.resize(self.synced.len().max(end), 0);
            self.synced[start..end].copy_from_slice(bytes);
        }
        // The length is written by itself: the file may end in zeros that nobody wrote.
        if self.content.len() > self.synced.len() && noise.below(2) == 0 {
            self.synced.resize(self.content.len(), 0);
        }
        self.content = self.synced.clone();
    }
}

impl Disk for Faulty {
    fn open(&self, name: &str, mode: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut machine = self.machine.lock();
        let found = machine.names.get(name).copied();
        let file = match (found, mode) {
            (Some(_), Open::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, Open::Existing) => return Err(io::ErrorKind::NotFound.into()),
            (Some(file), Open::Existing) => file,
            (None, Open::New) => {
                machine.change(Trouble::Name)?;
                let file = machine.files.len();
                machine.files.push(File::default());
                machine.rename_within(|names| names.insert(name.to_owned(), file));
                file
            }
        };
        Ok(Arc::new(Handle {
            machine: self.machine.clone(),
            file,
            life: machine.life,
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.machine.lock().names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut machine = self.machine.lock();
        let file = *machine.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        machine.change(Trouble::Name)?;
        machine.rename_within(|names| {
            names.remove(from);
            names.insert(to.to_owned(), file);
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut machine = self.machine.lock();
        if !machine.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        machine.change(Trouble::Name)?;
        machine.rename_within(|names| names.remove(name));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut machine = self.machine.lock();
        machine.change(Trouble::Sync)?;
        machine.synced_names = machine.names.clone();
        machine.unsynced_names.clear();
        Ok(())
    }
}

/// A real disk refuses others.
fn require_blocks(at: u64, bytes: &[u8]) {
    let numbers = [at as usize, bytes.len(), bytes.as_ptr().addr()];
    assert_eq!(numbers.map(|number| number % 4096), [0; 3], "no blocks");
}

impl Handle {
    fn alive(&self) -> io::Result<parking_lot::MutexGuard<'_, Machine>> {
        let machine = self.machine.lock();
        if machine.life != self.life {
            return Err(io::Error::other("this life is over"));
        }
        Ok(machine)
    }
}

impl DiskFile for Handle {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let mut machine = self.alive()?;
        if machine
            .trouble
            .is_some_and(|(trouble, _)| trouble == Trouble::Read)
        {
            machine.change(Trouble::Read)?;
        }
        let content = &machine.files[self.file].content;
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let end = at
            .checked_add(into.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let found = content.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut machine = self.alive()?;
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let result = machine.change(Trouble::Write);
        let bytes = match &result {
            Ok(()) => bytes,
            // A failed write may have written anything; here it is the first half.
            Err(_) => &bytes[..bytes.len() / 2],
        };
        if let Err(full) = machine.grow(self.file, at + bytes.len()) {
            return result.and(Err(full));
        }
        machine.files[self.file].write(at, bytes);
        result
    }

    fn write_blocks_at(&self, at: u64, blocks: &[u8]) -> io::Result<()> {
        require_blocks(at, blocks);
        self.write_at(at, blocks)
    }

    fn read_blocks_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        require_blocks(at, into);
        self.read_at(at, into)
    }

    fn sync(&self) -> io::Result<()> {
        let mut machine = self.alive()?;
        machine.change(Trouble::Sync)?;
        machine.files[self.file].sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.files[self.file].content.len() as u64)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut machine = self.alive()?;
        machine.change(Trouble::Allocate)?;
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        machine.grow(self.file, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_survives_and_the_rest_may_be_torn_or_gone() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = Faulty::default();
            let file = disk.open("f", Open::New).unwrap();
            file.write_at(0, &[1; 1024]).unwrap();
            file.sync().unwrap();
            disk.sync_directory().unwrap();
            file.write_at(0, &[2; 1024]).unwrap();
            disk.crash(Power::Fails, seed);
            let mut found = [0; 1024];
            let file = disk.open("f", Open::Existing).unwrap();
            file.read_at(0, &mut found).unwrap();
            assert!(found[..512].iter().all(|byte| *byte == found[0]));
            assert!(found[512..].iter().all(|byte| *byte == found[512]));
            kinds.insert((found[0], found[512]));
        }
        assert_eq!(Vec::from_iter(kinds), [(1, 1), (1, 2), (2, 1), (2, 2)]);
    }

    #[test]
    fn a_name_is_not_there_for_good_before_the_directory_is_synced() {
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let disk = Faulty::default();
            disk.open("a", Open::New).unwrap();
            disk.sync_directory().unwrap();
            disk.rename("a", "b").unwrap();
            disk.open("c", Open::New).unwrap();
            disk.crash(Power::Fails, seed);
            found.insert(disk.list().unwrap().concat());
        }
        assert_eq!(Vec::from_iter(found), ["a", "b", "bc"]);
    }
}
