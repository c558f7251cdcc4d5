"""Run work in a forked child, which needs no imports: it can die on command or have its own small disk."""

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
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NoReturn

from simulation.cli import app as cli

DEATH = 137
TOUCHES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "sqlite3.connect")
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18


class ChildError(AssertionError):
    """A child failed; the message has its traceback."""


def in_child(work: Callable[[], object]) -> str:
    """Do `work` in a forked child and return its result as text.

    Raises:
        ChildError: `work` raised, or the child died.
    """
    return Child.start(work).wait()


def killed(work: Callable[[], object]) -> None:
    """Do `work` in a forked child; fail unless the child is killed before the end."""
    code, text = Child.start(work).end()
    if code not in (DEATH, -signal.SIGXFSZ):
        raise ChildError(text or f"the child ended with {code}, but was to be killed")


@dataclass(frozen=True)
class Child:
    """A forked child at work; its result comes through the pipe `reading`."""

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
        """Return the result of its work as text.

        Raises:
            ChildError: The work raised, or the child died.
        """
        code, text = self.end()
        if code:
            raise ChildError(text or f"the child ended with {code}")
        return text

    def end(self) -> tuple[int, str]:
        """Return its exit code (or minus the signal that killed it) and its text."""
        with os.fdopen(self.reading, errors="replace") as pipe:
            text = pipe.read()
        _, status = os.waitpid(self.process, 0)
        return os.waitstatus_to_exitcode(status), text


def _work_and_exit(work: Callable[[], object], writing: int) -> NoReturn:
    code, text = 1, ""
    # a server of workers that this process has started is no child of the fork, which cannot wait for it
    forkserver._forkserver.__init__()  # type: ignore[attr-defined]
    try:
        text, code = str(work()), 0
    except BaseException:  # noqa: BLE001  the child's boundary: sent to the parent, which raises it
        text = traceback.format_exc()
    finally:
        with os.fdopen(writing, "w", errors="replace") as pipe:
            pipe.write(text)
        os._exit(code)


@dataclass(frozen=True)
class Said:
    """The exit code of a command, and everything it printed."""

    code: int
    text: str


def society(*arguments: str) -> Said:
    """Run a `society` command in this process. Call it in a child, as it sets up the logging of the process."""
    sys.argv = ["society", *arguments]
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(text):
        try:
            cli.main()
        except SystemExit as ended:
            return Said(int(ended.code or 0), text.getvalue())
    return Said(0, text.getvalue())


# -- dying ------------------------------------------------------------------------------------------------


class Touched:
    """Record what this process does to the files below `root` from now on. Call it in a child: it cannot be undone.

    `names` lists the operations: open, rename, make, remove and sync. The process ends before operation number `last`.
    `seen` is called before every operation.
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
    """Limit the size of files in this process to `size` bytes, for Python, SQLite and Arrow.

    A write beyond it is cut there, and the next one kills the process; without `die`, the next one fails.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if die else signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def unlimit_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def open_files(root: Path) -> list[str]:
    """Return the files below `root` that this process has open, if the system can list them."""
    held = [os.path.realpath(each) for each in Path("/proc/self/fd").glob("*")]
    return [each for each in held if each.startswith(str(root))]


# -- its own disk --------------------------------------------------------------------------------------------


def mounts_refused() -> str:
    """Return why a child may not mount its own disk, or an empty string if it may."""

    def work() -> None:
        own_mounts()
        mount("tmpfs", Path("/mnt"), kind="tmpfs", options="size=64k")

    try:
        in_child(work)
    except ChildError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def own_mounts() -> None:
    """Separate this process's mounts from the system's. Call it in a child.

    Raises:
        OSError: The system forbids it.
    """
    _call("unshare", CLONE_NEWNS)
    mount("none", Path("/"), flags=MS_REC | MS_PRIVATE)


def mount(source: str, target: Path, *, kind: str = "none", flags: int = 0, options: str = "") -> None:
    _call("mount", source.encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def small_disk(target: Path, size: str) -> None:
    """Mount a tmpfs of `size` at `target`, in a child with its own mounts."""
    target.mkdir(exist_ok=True)
    mount("tmpfs", target, kind="tmpfs", options=f"size={size}")


def resize(target: Path, size: str) -> None:
    mount("tmpfs", target, kind="tmpfs", flags=MS_REMOUNT, options=f"size={size}")


@contextmanager
def read_only(target: Path) -> Iterator[None]:
    """Make `target` read-only for the block, in a child with its own mounts."""
    mount(str(target), target, flags=MS_BIND)
    mount(str(target), target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
    try:
        yield
    finally:
        _call("umount2", str(target).encode(), 2)


def bound_by_permissions() -> None:
    """Make permission bits apply to this process even if it is root's. Call it in a child."""
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
