//! How a key file is read and made; not what is in it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key_error::{MAX_LEN, Problem};
use super::secret::{fill, random_id};

/// The content of the file, if nobody else may see or exchange it.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let unreadable = |source| Problem::Unreadable { path: path.into(), source };
    let missing = |error: io::Error| match error.kind() {
        ErrorKind::NotFound if folder_of(path).is_dir() => Problem::NoFile { path: path.into() },
        ErrorKind::NotFound => Problem::NoFolder { path: path.into() },
        _ => unreadable(error),
    };
    // Before it is opened, since to open a pipe is to wait for whoever writes into it.
    refuse_if_no_file(path, &fs::metadata(path).map_err(missing)?)?;
    let file = File::open(path).map_err(missing)?;
    // Once more of the file that is open, which nobody can exchange any more.
    let metadata = file.metadata().map_err(unreadable)?;
    refuse_if_no_file(path, &metadata)?;
    refuse_if_exposed(path, &metadata)?;
    refuse_if_foreign(path, &metadata)?;

    // Large enough from the start: growing would leave copies behind that nobody wipes.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_LEN {
        return Err(Problem::TooLarge { path: path.into() });
    }
    Ok(text)
}

/// Makes the file with one random key, unless somebody else was faster; then theirs stays.
///
/// The key is written under another name first. A hard link then gives it its own in one step,
/// which fails where that name is taken, so nobody ever reads half a file or loses the key just
/// read.
pub(super) fn create(path: &Path) -> Result<(), Problem> {
    let Some(name) = path.file_name() else {
        return Err(Problem::NoFile { path: path.into() });
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", random_id()));
    let temporary = folder_of(path).join(temporary);

    let linked = write_random_key(&temporary).and_then(|()| fs::hard_link(&temporary, path));
    // Whoever won, the second name goes. If it stays, its key is either in use or never will be.
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => {
            sync_folder(path);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Problem::Uncreatable { path: path.into(), source }),
    }
}

fn write_random_key(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    fill(&mut *key);
    let text = Zeroizing::new(STANDARD.encode(*key) + "\n");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Lets the name survive a crash too. Where that cannot be had, a crash signs everybody out; no
/// reason to fail.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn refuse_if_no_file(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    if metadata.is_file() { Ok(()) } else { Err(Problem::NotRegular { path: path.into() }) }
}

#[cfg(unix)]
fn refuse_if_exposed(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;

    // Anything for others, writing for the group. It may read: that is how secrets are mounted.
    const EXPOSED: u32 = 0o027;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & EXPOSED != 0 {
        return Err(Problem::Exposed { path: path.into(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_if_exposed(_path: &Path, _metadata: &Metadata) -> Result<(), Problem> {
    Ok(())
}

/// Its owner can always write into it, whatever its mode says. Root can in any case.
#[cfg(unix)]
fn refuse_if_foreign(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    use std::os::unix::fs::MetadataExt as _;

    let owner = metadata.uid();
    if owner == 0 {
        return Ok(());
    }
    let user =
        effective_user().map_err(|source| Problem::Unreadable { path: path.into(), source })?;
    if owner == user { Ok(()) } else { Err(Problem::Foreign { path: path.into(), owner, user }) }
}

#[cfg(not(unix))]
fn refuse_if_foreign(_path: &Path, _metadata: &Metadata) -> Result<(), Problem> {
    Ok(())
}

/// Whom this process acts as. The standard library has no word for that, but a pipe belongs to whoever
/// made it, on every Unix, and needs no place to write to, unlike a file.
#[cfg(unix)]
fn effective_user() -> io::Result<u32> {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;

    let (reader, _) = io::pipe()?;
    Ok(File::from(OwnedFd::from(reader)).metadata()?.uid())
}
