//! Where response documents are kept: in an unnamed temporary file, with a small index in memory.
//!
//! A million responses cost about 100 MB of index and whatever the file takes; documents are never held in memory.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Millis;
use crate::survey::view::Counts;

/// A document's place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    offset: u64,
    length: u32,
}

impl Place {
    pub(crate) fn length(self) -> u64 {
        u64::from(self.length)
    }
}

/// What the index knows of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    survey: u16,
    pub(crate) place: Place,
    pub(crate) recorded: Millis,
    pub(crate) modified: Millis,
    /// From when a single read finds it.
    pub(crate) readable: Millis,
    /// From when exports have it.
    pub(crate) exported: Millis,
    pub(crate) finished: bool,
    test: bool,
    deleted: bool,
    key: u64,
}

/// The instants and marks of a new response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) recorded: Millis,
    pub(crate) modified: Millis,
    pub(crate) readable: Millis,
    pub(crate) exported: Millis,
    pub(crate) finished: bool,
    pub(crate) test: bool,
}

#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    end: u64,
    surveys: Vec<String>,
    deleted: HashMap<u16, u64>,
    list: Vec<Kept>,
    /// By a 64-bit hash of survey and response id: two of a million collide once in 37 million runs.
    by_key: HashMap<u64, u32>,
}

fn key(survey: u16, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (survey, id).hash(&mut hasher);
    hasher.finish()
}

impl Index {
    fn survey(&mut self, id: &str) -> u16 {
        let at = self
            .surveys
            .iter()
            .position(|other| other == id)
            .unwrap_or_else(|| {
                self.surveys.push(id.to_owned());
                self.surveys.len() - 1
            });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    fn known(&self, survey: &str) -> Option<u16> {
        let at = self.surveys.iter().position(|other| other == survey)?;
        u16::try_from(at).ok()
    }

    fn find(&mut self, survey: &str, id: &str) -> Option<&mut Kept> {
        let survey = self.known(survey)?;
        let at = *self.by_key.get(&key(survey, id))?;
        self.list.get_mut(usize::try_from(at).ok()?)
    }
}

impl Store {
    /// # Errors
    /// The system has no place for a temporary file.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            index: Mutex::new(Index::default()),
        })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, index: &mut Index, document: &[u8]) -> io::Result<Place> {
        let length = u32::try_from(document.len())
            .map_err(|_| io::Error::other("a document of 4 GiB or more"))?;
        let place = Place {
            offset: index.end,
            length,
        };
        write_at(&self.file, document, place.offset)?;
        index.end += u64::from(length);
        Ok(place)
    }

    /// Keeps a new document; one of the same id is replaced.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub(crate) fn insert(
        &self,
        survey: &str,
        id: &str,
        document: &[u8],
        marks: Marks,
    ) -> io::Result<()> {
        let mut index = self.index();
        let place = self.append(&mut index, document)?;
        let survey = index.survey(survey);
        let key = key(survey, id);
        let Marks {
            recorded,
            modified,
            readable,
            exported,
            finished,
            test,
        } = marks;
        let kept = Kept {
            survey,
            place,
            recorded,
            modified,
            readable,
            exported,
            finished,
            test,
            deleted: false,
            key,
        };
        let known = index
            .by_key
            .get(&key)
            .and_then(|at| usize::try_from(*at).ok());
        if let Some(old) = known.and_then(|at| index.list.get_mut(at)) {
            *old = kept;
            return Ok(());
        }
        let at =
            u32::try_from(index.list.len()).map_err(|_| io::Error::other("4 billion responses"))?;
        index.list.push(kept);
        index.by_key.insert(key, at);
        Ok(())
    }

    pub(crate) fn find(&self, survey: &str, id: &str) -> Option<Kept> {
        self.index().find(survey, id).copied()
    }

    pub(crate) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut document = vec![0; usize::try_from(place.length).unwrap_or(0)];
        read_at(&self.file, &mut document, place.offset)?;
        Ok(document)
    }

    /// Replaces a document and its instants.
    pub(crate) fn replace(
        &self,
        survey: &str,
        id: &str,
        document: &[u8],
        marks: Marks,
    ) -> io::Result<bool> {
        if self.find(survey, id).is_none() {
            return Ok(false);
        }
        self.insert(survey, id, document, marks)?;
        Ok(true)
    }

    /// Whether there was such a response.
    pub(crate) fn delete(&self, survey: &str, id: &str) -> bool {
        let mut index = self.index();
        let Some(number) = index.known(survey) else {
            return false;
        };
        let Some(at) = index.by_key.remove(&key(number, id)) else {
            return false;
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(kept) = index.list.get_mut(at) {
            kept.deleted = true;
        }
        *index.deleted.entry(number).or_default() += 1;
        true
    }

    /// What is wanted of a survey's responses, in the order in which they came.
    pub(crate) fn select<T>(&self, survey: &str, wanted: impl Fn(&Kept) -> Option<T>) -> Vec<T> {
        let index = self.index();
        let Some(number) = index.known(survey) else {
            return Vec::new();
        };
        index
            .list
            .iter()
            .filter(|kept| kept.survey == number && !kept.deleted)
            .filter_map(wanted)
            .collect()
    }

    pub(crate) fn counts(&self, survey: &str) -> Counts {
        let index = self.index();
        let Some(number) = index.known(survey) else {
            return Counts::default();
        };
        let mut counts = Counts {
            deleted: index.deleted.get(&number).copied().unwrap_or(0),
            ..Counts::default()
        };
        for kept in index
            .list
            .iter()
            .filter(|kept| kept.survey == number && !kept.deleted)
        {
            if kept.test {
                counts.generated += 1;
            } else {
                counts.auditable += 1;
            }
        }
        counts
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let mut index = self.index();
        *index = Index::default();
        self.file.set_len(0)
    }
}

impl Kept {
    pub(crate) fn marks(&self) -> Marks {
        let Self {
            recorded,
            modified,
            readable,
            exported,
            finished,
            test,
            ..
        } = *self;
        Marks {
            recorded,
            modified,
            readable,
            exported,
            finished,
            test,
        }
    }

    /// The same response gives the same number: what chance left out of one export is left out of the next.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = bytes.get(written..).unwrap_or_default();
        offset += u64::try_from(written).unwrap_or(0);
    }
    Ok(())
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.get_mut(read..).unwrap_or_default();
        offset += u64::try_from(read).unwrap_or(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks {
        recorded: 5,
        modified: 5,
        readable: 0,
        exported: 0,
        finished: true,
        test: false,
    };

    #[test]
    fn what_is_kept_is_found_replaced_counted_and_deleted() {
        let store = Store::open().unwrap();
        store.insert("SV_a", "R_1", b"one", MARKS).unwrap();
        store
            .insert(
                "SV_a",
                "R_2",
                b"two",
                Marks {
                    test: true,
                    ..MARKS
                },
            )
            .unwrap();
        store.insert("SV_b", "R_1", b"other", MARKS).unwrap();

        assert!(
            store
                .replace(
                    "SV_a",
                    "R_1",
                    b"changed",
                    Marks {
                        modified: 9,
                        ..MARKS
                    }
                )
                .unwrap()
        );
        assert!(!store.replace("SV_a", "R_9", b"", MARKS).unwrap());
        assert!(store.delete("SV_b", "R_1"));
        assert!(!store.delete("SV_b", "R_1"));

        let kept = store.find("SV_a", "R_1").unwrap();
        assert_eq!(store.read(kept.place).unwrap(), b"changed");
        assert_eq!(kept.modified, 9);
        assert!(store.find("SV_b", "R_1").is_none());
        assert_eq!(store.select("SV_a", |kept| Some(kept.recorded)).len(), 2);
        assert_eq!(
            store.counts("SV_a"),
            Counts {
                auditable: 1,
                generated: 1,
                deleted: 0
            }
        );
        assert_eq!(
            store.counts("SV_b"),
            Counts {
                auditable: 0,
                generated: 0,
                deleted: 1
            }
        );
    }
}
