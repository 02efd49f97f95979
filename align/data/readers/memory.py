"""How much memory there is, to say before it is asked for that it does not suffice."""

import contextlib
import resource
import sys
from pathlib import Path

from align.errors import InputError

MEMINFO = Path("/proc/meminfo")
GROUPS = Path("/sys/fs/cgroup")
"""Control groups, of a container or of a job of a cluster."""


def available_memory() -> int:
    """Bytes that this process can still have, by all that says so."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = MEMINFO.read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = GROUPS / next(line for line in lines if line.startswith("0::")).removeprefix("0::/")
        found += [left for group in {own, GROUPS} if (left := _left_to(group)) is not None]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit -= pages * resource.getpagesize()
        found.append(limit)
    return max(0, min(found, default=sys.maxsize))


def _left_to(group: Path) -> int | None:
    """Bytes that a control group can still have: what caches of files hold is given up when it is needed."""
    try:
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit - used + int(stat["active_file"]) + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):  # "max" is no limit
        return None


def check_fits(what: str, needed: int, hint: str) -> None:
    """Refuse what does not fit into memory.

    Args:
        what: What is to be read, for the message.
        needed: Bytes that it takes.
        hint: What makes it smaller.

    Raises:
        InputError: There is less memory.
    """
    available = available_memory()
    if needed > available:
        raise InputError(
            f"{what}: takes {_size(needed)} of memory, and {_size(available)} are available; expected {hint}"
        )


def _size(n: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if n < 1024 or unit == "TiB":
            return f"{n:.4g} {unit}"
        n /= 1024
