"""Work done in a forked child, whose imports are paid for: it dies on command, or has a disk of its own."""

from __future__ import annotations

import ctypes
import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from simulation.cli import app as cli

DEATH = 137
TOUCHES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "sqlite3.connect")
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18


class ChildError(AssertionError):
    """What went wrong in a child, with its traceback."""


def in_child(work: Callable[[], object]) -> str:
    """Do `work` in a forked child; what it returns, as text. Raises ChildError where it raises or dies."""
    return Child.start(work).wait()


def killed(work: Callable[[], object]) -> None:
    """Do `work` in a forked child, which has to be killed before it comes to an end."""
    code, told = Child.start(work).end()
    if code not in (DEATH, -signal.SIGXFSZ):
        raise ChildError(told or f"the child ended with {code}, and was to be killed")


@dataclass(frozen=True)
class Child:
    """A forked child at work; `reading` is the pipe through which it tells what came of it."""

    process: int
    reading: int

    @classmethod
    def start(cls, work: Callable[[], object]) -> Child:
        reading, writing = os.pipe()
        process = os.fork()
        if not process:
            os.close(reading)
            _work_and_exit(work, writing)
        os.close(writing)
        return cls(process, reading)

    def wait(self) -> str:
        """What its work returned, as text. Raises ChildError where it raised or the child died."""
        code, told = self.end()
        if code:
            raise ChildError(told or f"the child ended with {code}")
        return told

    def end(self) -> tuple[int, str]:
        """Its exit code, or the signal that killed it as a negative number, and what it told."""
        with os.fdopen(self.reading, errors="replace") as pipe:
            told = pipe.read()
        _, status = os.waitpid(self.process, 0)
        return os.waitstatus_to_exitcode(status), told


def _work_and_exit(work: Callable[[], object], writing: int) -> NoReturn:
    code, told = 1, ""
    try:
        told, code = str(work()), 0
    except BaseException:  # noqa: BLE001  the child's boundary: told to the parent, which raises it
        told = traceback.format_exc()
    finally:
        with os.fdopen(writing, "w", errors="replace") as pipe:
            pipe.write(told)
        os._exit(code)


@dataclass(frozen=True)
class Said:
    """How a command ended, and all it printed."""

    code: int
    told: str


def society(*arguments: str) -> Said:
    """A `society` command carried out in this process, which it sets up its logging for: for a child."""
    sys.argv = ["society", *arguments]
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        try:
            cli.main()
        except SystemExit as ended:
            return Said(int(ended.code or 0), told.getvalue())
    return Said(0, told.getvalue())


# -- dying ------------------------------------------------------------------------------------------------


class Touched:
    """What this process does to the file system below `root`, from now on and for good; for a child.

    `names` lists it: what is opened, renamed, made, removed and synced. Before the touch `last` the process is gone.
    `seen` is told every touch before it is done.
    """

    def __init__(self, root: Path, last: int | None = None, seen: Callable[[str], object] | None = None) -> None:
        self.names: list[str] = []
        self._root, self._last, self._seen = str(root), last, seen
        self._sync = os.fsync
        os.fsync = self._synced  # type: ignore[assignment]
        sys.addaudithook(self._audited)

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in TOUCHES:
            return
        within = isinstance(arguments[-1], int) and arguments[-1] >= 0 and event in ("os.remove", "os.rmdir")
        if within or str(arguments[0]).startswith(self._root):  # rmtree names files by their folder's descriptor
            self._add(f"{event} {Path(str(arguments[0])).name}")

    def _synced(self, descriptor: int) -> None:
        self._add("fsync")
        self._sync(descriptor)

    def _add(self, name: str) -> None:
        if self._seen is not None:
            self._seen(name)
        self.names.append(name)
        if len(self.names) == self._last:
            os._exit(DEATH)


def limit_files(size: int, *, die: bool) -> None:
    """No file grows beyond `size` bytes in this process: the write that would is cut there, and the next one kills the
    process, or fails where it is not to `die`. Whoever writes: Python, SQLite or Arrow."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if die else signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def unlimit_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def open_files(root: Path) -> list[str]:
    """What this process holds open below `root`, where the system tells."""
    held = [os.path.realpath(each) for each in Path("/proc/self/fd").glob("*")]
    return [each for each in held if each.startswith(str(root))]


# -- disks of its own ---------------------------------------------------------------------------------------


def mounts_refused() -> str:
    """Why a child may not mount a disk of its own; the empty string where it may."""

    def work() -> None:
        own_mounts()
        mount("tmpfs", Path("/mnt"), kind="tmpfs", options="size=64k")

    try:
        in_child(work)
    except ChildError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def own_mounts() -> None:
    """From here on this process's mounts are its own; for a child. Raises OSError where the system forbids it."""
    _call("unshare", CLONE_NEWNS)
    mount("none", Path("/"), flags=MS_REC | MS_PRIVATE)


def mount(source: str, target: Path, *, kind: str = "none", flags: int = 0, options: str = "") -> None:
    _call("mount", source.encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def small_disk(target: Path, size: str) -> None:
    """A tmpfs of `size` at `target`; for a child with mounts of its own."""
    target.mkdir(exist_ok=True)
    mount("tmpfs", target, kind="tmpfs", options=f"size={size}")


def resize(target: Path, size: str) -> None:
    mount("tmpfs", target, kind="tmpfs", flags=MS_REMOUNT, options=f"size={size}")


@contextmanager
def read_only(target: Path) -> Iterator[None]:
    """`target` can only be read while this lasts; for a child with mounts of its own."""
    mount(str(target), target, flags=MS_BIND)
    mount(str(target), target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
    try:
        yield
    finally:
        _call("umount2", str(target).encode(), 2)


def bound_by_permissions() -> None:
    """From here on permission bits bind this process, though it be root's; for a child."""
    if os.geteuid():
        return
    overriding = sum(1 << capability for capability in (1, 2, 3))  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; low words, then high ones
    _call("capget", header, sets)
    sets[0] &= ~overriding
    _call("capset", header, sets)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
