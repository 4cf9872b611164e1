//! Unix sockets to listen on: made beside their place and moved there, so that whoever connects finds
//! either the old one or the new one with its permissions.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::limits;

/// The file of a socket that is listened on; removed when this is dropped, where it is still ours.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// What to do where a Unix socket cannot be bound.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that listens there, or set another path",
        io::ErrorKind::AlreadyExists => {
            "the file there is no socket, and is left alone: move it, or set another path"
        }
        io::ErrorKind::PermissionDenied => "let the user of this process write to the folder",
        io::ErrorKind::NotFound => "make the folder first",
        _ => "check gateway.listen",
    }
}

/// Binds a path for this many workers, which share one socket. The file of a socket that nobody
/// listens on any more is replaced.
pub(super) fn bind(
    path: &Path,
    mode: u32,
    workers: usize,
) -> io::Result<(SocketFile, Vec<UnixListener>)> {
    make_room(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    // Left by a process that had this one's number.
    remove(&beside)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&beside)?)?;
    let placed = place(&socket, &beside, path, mode);
    if placed.is_err() {
        remove(&beside)?;
    }
    let file = placed?;
    let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
    let mut listeners =
        (1..workers).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>()?;
    listeners.push(listener);
    Ok((file, listeners))
}

fn place(socket: &Socket, beside: &Path, path: &Path, mode: u32) -> io::Result<SocketFile> {
    fs::set_permissions(beside, Permissions::from_mode(mode))?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    let identity = identity(beside)?;
    fs::rename(beside, path)?;
    Ok(SocketFile { path: path.to_owned(), identity })
}

/// An error where something stands at the path that must not be replaced.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have put its own there meanwhile.
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_with_its_permissions_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (file, listeners) = bind(&path, 0o620, 3).unwrap();
        assert_eq!(listeners.len(), 3);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o620);
        UnixStream::connect(&path).unwrap();
        drop((file, listeners));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "kept").unwrap();
        assert_eq!(bind(&path, 0o600, 1).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        fs::remove_file(&path).unwrap();

        let alive = UnixListener::bind(&path).unwrap();
        assert_eq!(bind(&path, 0o600, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(alive);
        let (stale, _) = bind(&path, 0o600, 1).unwrap();
        // What another process has put in its place is not removed.
        let (_file, _listener) = bind(&path, 0o600, 1).unwrap();
        drop(stale);
        UnixStream::connect(&path).unwrap();
    }
}
