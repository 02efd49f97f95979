"""Breaking the toolkit on purpose: a sample of the cases in every test run, all of them by `make torture`.

ALIGN_TORTURE=all takes all; the counts are then printed at the end.
"""

import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
from material import ALL, make_material
from refusals import attempt


def pytest_collection_modifyitems(config, items):
    """Keep, of a file that says `SAMPLE = n`, n cases spread evenly over it."""
    if ALL:
        return
    dropped = []
    for module in {item.module for item in items if Path(item.fspath).parent == Path(__file__).parent}:
        cases = [item for item in items if item.module is module]
        n = min(module.SAMPLE, len(cases))
        kept = {round((i + 0.5) * len(cases) / n - 0.5) for i in range(n)}
        dropped += [case for i, case in enumerate(cases) if i not in kept]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_logreport(report):
    """In a run of all, which takes long, say at once what failed."""
    if ALL and report.failed:
        told = getattr(report.longrepr, "reprcrash", None)
        print(f"\n{report.nodeid}\n{told.message if told else report.longrepr}", file=sys.stderr)
    return (yield)


def pytest_terminal_summary(terminalreporter):
    """A row a file: how many cases there were, and how many held."""
    if not ALL:
        return
    counts: dict[str, list[int]] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, ()):
            if report.when == "call" or outcome == "error":
                told = dict(report.user_properties)
                n = told.get("cases", 1)
                name = Path(report.nodeid.partition("::")[0]).stem.removeprefix("test_").replace("_", " ")
                row = counts.setdefault(name, [0, 0])
                row[0] += n
                row[1] += told.get("held", n if outcome == "passed" else 0)
    terminalreporter.section("torture")
    for name, (cases, held) in sorted(counts.items()):
        terminalreporter.write_line(f"{name:<24}{cases:>6} cases {held:>6} held")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """Stores, a run, a sweep and configurations, good and bad; not to be written to."""
    return make_material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def folder(pristine, tmp_path_factory):
    """A copy of them, of this file alone."""
    path = tmp_path_factory.mktemp("torture") / "material"
    shutil.copytree(pristine, path, symlinks=True)
    return path


@pytest.fixture(scope="module")
def try_command(folder):
    """Calls `align` in the folder of this file; see `refusals.attempt`."""
    return partial(attempt, folder=folder)


@pytest.fixture(scope="session")
def sampled():
    """Takes a few of many cases, spread evenly, or all of them where all are asked for."""

    def take(cases: dict, n: int) -> dict:
        items = list(cases.items())
        return cases if ALL else dict(items[:: max(1, len(items) // n)][:n])

    return take
