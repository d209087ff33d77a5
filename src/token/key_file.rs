//! Reading and creating key files, without interpreting their content.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key_error::{MAX_LEN, Problem};
use super::secret::{fill, random_id};

/// Reads the file, if no other user can read or replace it.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let unreadable = |source| Problem::Unreadable { path: path.into(), source };
    let missing = |error: io::Error| match error.kind() {
        ErrorKind::NotFound if folder_of(path).is_dir() => Problem::NoFile { path: path.into() },
        ErrorKind::NotFound => Problem::NoFolder { path: path.into() },
        _ => unreadable(error),
    };
    // Checked before opening, because opening a pipe waits for a writer.
    refuse_if_no_file(path, &fs::metadata(path).map_err(missing)?)?;
    let file = File::open(path).map_err(missing)?;
    // Checked again on the open file, which cannot be replaced any more.
    let metadata = file.metadata().map_err(unreadable)?;
    refuse_if_no_file(path, &metadata)?;
    refuse_if_exposed(path, &metadata)?;
    refuse_if_foreign(path, &metadata)?;

    // Allocated at full size: growing would leave copies of the keys in memory that are not wiped.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_LEN {
        return Err(Problem::TooLarge { path: path.into() });
    }
    Ok(text)
}

/// Creates the file with one random key. If another process creates it first, that file stays.
///
/// The key is first written under another name. A hard link then gives it its final name in one
/// step, which fails if that name is taken. So no process reads a partial file, or a key that is
/// then lost.
pub(super) fn create(path: &Path) -> Result<(), Problem> {
    let Some(name) = path.file_name() else {
        return Err(Problem::NoFile { path: path.into() });
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", random_id()));
    let temporary = folder_of(path).join(temporary);

    let linked = write_random_key(&temporary).and_then(|()| fs::hard_link(&temporary, path));
    // The temporary name is removed in both cases. If it stays, its key is either in use or never
    // will be.
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

/// Makes the name survive a crash, if possible. Otherwise a crash may sign out all users, which is
/// not a reason to fail.
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

    // Any access for others, and write access for the group. The group may read: that is how
    // secrets are mounted.
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

/// The owner can always write to the file, regardless of its mode. Root can do so in any case.
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

/// The user that this process acts as. The standard library has no function for it. A pipe belongs
/// to the user who made it, on every Unix, and unlike a file it needs no writable folder.
#[cfg(unix)]
fn effective_user() -> io::Result<u32> {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;

    let (reader, _) = io::pipe()?;
    Ok(File::from(OwnedFd::from(reader)).metadata()?.uid())
}
