"""Writes a file whole or not at all; claims an output folder; finds the cache folder."""

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

ORPHAN_SECONDS = 3600.0  # a temporary file untouched for this long has lost its writer


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a binary file that appears at `path` only when all of it is on the disk.

    What is written goes to a temporary file in the same folder, which then takes the place of
    `path` in one step. Until then, and for good if anything fails, a file that was there before
    stays as it was. Any number of processes may write the same path: one of them wins, whole. A
    process that is killed leaves its temporary file behind. Once that is an hour old, the next
    write into the folder removes it.

    Args:
        path: where the file should be. A symbolic link is followed; the permissions are a new
            file's.

    Yields:
        The file to write into.

    Raises:
        OSError: if the folder does not exist or cannot be written, the disk is full, or `path` is
            a folder or a device.

    Example:
        >>> with atomic_write("weights.bin") as file:
        ...     file.write(bytes(16))
        16
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"{target} is not a regular file and cannot be replaced by one")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} into")
    temporary = target.with_name(f".tinycnn-{uuid.uuid4().hex}.tmp")
    file = open(temporary, "xb")
    try:
        with file:
            _sweep(temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(target)  # a full disk does not say for which file
        raise
    finally:
        temporary.unlink(missing_ok=True)  # gone already, unless something failed


def _sweep(own: Path) -> None:
    """Removes what killed writers left in the folder of `own`, a temporary file just made."""
    now = own.stat().st_mtime  # by the clock of the file system, which may be another machine's
    for other in own.parent.glob(".tinycnn-*.tmp"):
        with suppress(OSError):  # gone by now, or somebody else's
            if now - other.stat().st_mtime > ORPHAN_SECONDS:
                other.unlink()


_claims: list[BinaryIO] = []  # locks that are held until the process ends, however it ends


def claim_folder(folder: str | os.PathLike[str]) -> None:
    """Makes the folder if need be, and claims it for this process: then no other one can.

    Two trainings that write into one folder would mix up their files. The claim is a lock on a
    file `.tinycnn-lock` in it, which the system lifts when the process ends. Where there are no
    locks, as on some network folders, nothing is claimed.

    Raises:
        OSError: if another process has claimed it, or it can't be made or written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / ".tinycnn-lock", "ab")
    try:
        _lock(file)
    except BlockingIOError:
        file.close()
        raise OSError(
            f"{folder} is in use: another training is writing into it. Wait for its end, or choose "
            "another folder with --output-dir"
        ) from None
    except OSError:  # a file system without locks
        file.close()
        return
    _claims.append(file)


def _lock(file: BinaryIO) -> None:
    """Locks an open file for this process; raises BlockingIOError if another one has."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path, with a `~` or `~user` at its start replaced; an unknown user is left as it is."""
    return Path(os.path.expanduser(path))


def cache_folder() -> Path:
    """The cache folder: TINYCNN_HOME, or `tinycnn` in the platform's folder for caches.

    That folder is XDG_CACHE_HOME or ~/.cache on Linux, ~/Library/Caches on macOS, and LOCALAPPDATA
    on Windows. The result need not exist yet.
    """
    if chosen := os.environ.get("TINYCNN_HOME"):
        return expanded(chosen)
    try:
        home = Path.home()
    except RuntimeError:  # a user number without a name, as in containers
        home = Path("/nonexistent")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tinycnn"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tinycnn"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "tinycnn"
