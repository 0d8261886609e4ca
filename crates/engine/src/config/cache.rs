//! The gateway's own copy of the configuration: with it a gateway restarts while control is away.
//!
//! The file holds the frames that led to the current version: a full resync, then deltas. Each is a record of its own, encrypted
//! by AES-256-GCM and bound to this file and to its place in it, so a record can't be altered, moved or taken from an older file.
//! Frames are appended; reading ends at the first record that isn't whole, and cuts it off: what a crash tore. A file whose
//! deltas outgrow its beginning is written anew, and every new file replaces the old one in one step.
//!
//! ```text
//! file   = "TOLLCFG1" file-id(16) record*
//! record = length(4, little-endian, of what follows) nonce(12) ciphertext tag(16)
//! ```
//! The associated data are the file's id and the record's number (8 bytes, little-endian). Nonces are random.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

use super::compact::Merged;

const MAGIC: &[u8; 8] = b"TOLLCFG1";
const HEADER: usize = 24;
const NONCE: usize = 12;
const TAG: usize = 16;
/// No frame on the wire is longer; a length beyond it is a torn one.
const LONGEST: usize = (16 << 20) + NONCE + TAG;
/// The extension of a file in the making, followed by the number of the process that writes it.
const UNFINISHED: &str = "new-";
/// Deltas may always be this many bytes before the file is written anew.
const LEAST_DELTAS: u64 = 1 << 20;

/// The copy on disk.
pub struct Cache {
    path: PathBuf,
    cipher: Aes256Gcm,
    /// The file that holds the current version.
    log: Option<Log>,
    /// Bytes of `log` up to the end of its full resync.
    full: u64,
    /// A full resync on its way in.
    staged: Option<Log>,
    /// Another gateway has replaced the file.
    lost: bool,
    fault: Option<io::Error>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cache")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A file being written, and the place in it.
#[derive(Debug)]
struct Log {
    file: File,
    id: [u8; 16],
    records: u64,
    bytes: u64,
}

impl Cache {
    /// The copy at `path`, which need not exist yet, under a key of its own.
    #[must_use]
    pub fn new(path: PathBuf, key: [u8; 32]) -> Self {
        remove_leftovers(&path);
        Self {
            path,
            cipher: Aes256Gcm::new(&key.into()),
            log: None,
            full: 0,
            staged: None,
            lost: false,
            fault: None,
        }
    }

    /// Hands every frame to `apply`, and cuts the file off behind the last one that is whole and that `apply` took.
    pub(super) fn replay(&mut self, mut apply: impl FnMut(&str) -> bool) {
        match self.read(&mut apply) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fault = Some(error),
        }
    }

    fn read(&mut self, apply: &mut impl FnMut(&str) -> bool) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut header = [0; HEADER];
        if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
            return Ok(());
        }
        let mut id = [0; 16];
        id.copy_from_slice(&header[MAGIC.len()..]);
        let mut log = Log {
            file,
            id,
            records: 0,
            bytes: HEADER as u64,
        };
        while let Some((frame, length)) = log.next(&self.cipher)? {
            if !apply(&frame) {
                break;
            }
            log.records += 1;
            log.bytes += length;
            if super::frame::is_full_end(&frame) {
                self.full = log.bytes;
            }
        }
        log.file.set_len(log.bytes)?;
        log.file.seek(SeekFrom::Start(log.bytes))?;
        // Without its end the full resync has said nothing.
        self.log = (self.full > 0).then_some(log);
        Ok(())
    }

    /// A full resync begins.
    pub(super) fn begin(&mut self, frame: &str) {
        self.staged = None;
        let begun = Log::create(&self.temporary()).and_then(|mut log| {
            log.append(&self.cipher, frame)?;
            Ok(log)
        });
        match begun {
            Ok(log) => self.staged = Some(log),
            Err(error) => self.fault = Some(error),
        }
    }

    /// It goes on.
    pub(super) fn stage(&mut self, frame: &str) {
        if let Some(log) = &mut self.staged
            && let Err(error) = log.append(&self.cipher, frame)
        {
            self.staged = None;
            self.fault = Some(error);
        }
    }

    /// It has ended: from now on it is the copy.
    pub(super) fn commit(&mut self, frame: &str) {
        self.stage(frame);
        if let Some(log) = self.staged.take() {
            self.install(log);
        } else {
            // The old copy is of another line of versions: no delta would follow it.
            self.log = None;
        }
    }

    /// A delta follows the copy's version.
    pub(super) fn append(&mut self, frame: &str) {
        let Some(log) = &mut self.log else { return };
        if !log.is_at(&self.path) {
            // Two gateways run while one takes over from the other, and what it took over may end before it does.
            self.log = None;
            self.lost = true;
        } else if let Err(error) = log.append(&self.cipher, frame) {
            // The copy stays at the version before: still right, only old.
            self.log = None;
            self.fault = Some(error);
        } else if log.bytes - self.full > LEAST_DELTAS.max(self.full) {
            self.compact();
        }
    }

    /// Writes the file anew, deltas merged into the full resync.
    fn compact(&mut self) {
        let mut merged = Merged::default();
        self.replay(|frame| merged.add(frame).is_ok());
        if self.fault.is_some() {
            return;
        }
        let written = Log::create(&self.temporary()).and_then(|mut log| {
            merged.frames(|frame| log.append(&self.cipher, frame))?;
            Ok(log)
        });
        match written {
            Ok(log) => self.install(log),
            Err(error) => self.fault = Some(error),
        }
    }

    /// Puts a complete new file into the old one's place.
    fn install(&mut self, log: Log) {
        let installed = log.file.sync_all().and_then(|()| {
            fs::rename(self.temporary(), &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        });
        match installed {
            Ok(()) => {
                self.full = log.bytes;
                self.log = Some(log);
            }
            Err(error) => {
                self.log = None;
                self.fault = Some(error);
            }
        }
    }

    fn temporary(&self) -> PathBuf {
        // Of another gateway's, that is being written at the same time, it is apart.
        self.path
            .with_extension(format!("{UNFINISHED}{}", std::process::id()))
    }

    /// Whether another gateway has replaced the file since the last call.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    /// What went wrong since the last call, if anything did.
    pub(super) fn take_fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }
}

impl Log {
    fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).read(true).write(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let mut id = [0; 16];
        random(&mut id)?;
        file.write_all(MAGIC)?;
        file.write_all(&id)?;
        Ok(Self {
            file,
            id,
            records: 0,
            bytes: HEADER as u64,
        })
    }

    /// Whether it is still the file of that name.
    fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let same = |mine: fs::Metadata, there: fs::Metadata| {
            (mine.ino(), mine.dev()) == (there.ino(), there.dev())
        };
        (self.file.metadata().ok().zip(fs::metadata(path).ok()))
            .is_some_and(|(mine, there)| same(mine, there))
    }

    fn append(&mut self, cipher: &Aes256Gcm, frame: &str) -> io::Result<()> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let place = self.place();
        let payload = Payload {
            msg: frame.as_bytes(),
            aad: &place,
        };
        let sealed = cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| io::Error::other("the configuration could not be encrypted"))?;
        let length = u32::try_from(NONCE + sealed.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(4 + NONCE + sealed.len());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&nonce);
        record.extend_from_slice(&sealed);
        self.file.write_all(&record)?;
        self.records += 1;
        self.bytes += record.len() as u64;
        Ok(())
    }

    /// The frame at this place and how long its record is; none where there is no whole one.
    fn next(&mut self, cipher: &Aes256Gcm) -> io::Result<Option<(String, u64)>> {
        let mut length = [0; 4];
        if !filled(&mut self.file, &mut length)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes(length) as usize;
        if !(NONCE + TAG..=LONGEST).contains(&length) {
            return Ok(None);
        }
        let mut record = vec![0; length];
        if !filled(&mut self.file, &mut record)? {
            return Ok(None);
        }
        let (nonce, sealed) = record.split_at(NONCE);
        let Ok(nonce) = <[u8; NONCE]>::try_from(nonce) else {
            return Ok(None);
        };
        let place = self.place();
        let payload = Payload {
            msg: sealed,
            aad: &place,
        };
        let frame = cipher.decrypt(&Nonce::from(nonce), payload).ok();
        let frame = frame.and_then(|frame| String::from_utf8(frame).ok());
        Ok(frame.map(|frame| (frame, 4 + length as u64)))
    }

    fn place(&self) -> [u8; 24] {
        let mut place = [0; 24];
        place[..16].copy_from_slice(&self.id);
        place[16..].copy_from_slice(&self.records.to_le_bytes());
        place
    }
}

/// Removes what gateways left behind that died while they wrote it. Best effort: it costs room and nothing else.
fn remove_leftovers(path: &Path) {
    let Some(folder) = path.parent() else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let unfinished = entry.path();
        let writer = (unfinished.extension())
            .and_then(|extension| extension.to_str()?.strip_prefix(UNFINISHED));
        if unfinished.file_stem() == path.file_stem()
            && let Some(writer) = writer
            && !Path::new("/proc").join(writer).exists()
        {
            let _ = fs::remove_file(unfinished);
        }
    }
}

/// Reads exactly so much; false at an earlier end of the file.
fn filled(file: &mut File, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::from)
}
