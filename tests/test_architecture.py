"""The house as its imports draw it: which rooms may import which, no circles, no crowded room."""

import ast
import configparser
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOTS = {"align": "align", "align.analysis": "analysis", "align.experiments": "experiments"}
"""Import names of the top-level folders."""

ABOVE_ALIGN = ("align.analysis", "align.experiments")
FILES = ("pathlib", "os", "io", "shutil", "tempfile", "csv", "align.files")
DRAWING = ("matplotlib", "PIL", "torch.utils.tensorboard")

RULES = [
    # rooms, what importing them may not import, and which of them are exempt
    (("align",), ABOVE_ALIGN, ABOVE_ALIGN),
    (("align.worlds",), ("torch",), ()),
    (("align.diffusion", "align.alignment", "align.networks"), ("pytorch_lightning", "align.data"), ()),
    (("align.analysis.statistics",), ("align.analysis.figures", "align.analysis.reports"), ()),
    (("align.analysis.statistics",), DRAWING, ()),
    (("align.analysis.statistics",), (*FILES, "align.run"), ()),
    (("align.analysis.figures",), ("align.analysis.reports", "align.run"), ()),
    (("align.analysis.reports",), ("align.analysis.commands", "align.analysis.dashboard"), ()),
    (("align.analysis",), ("align.experiments",), ()),
]
FLOW = (
    *("own_modules", "domain", "errors", "seeding", "site_names", "files", "run", "shipped", "worlds"),
    *("networks", "alignment", "diffusion", "data", "conversion", "checkpoints", "inspection", "policy"),
    *("sites", "batch_loss", "checks", "optimizer", "step", "module", "datamodule"),
    *("embeddings", "robot", "export", "rollout", "callbacks", "command", "fit", "commands", "cli"),
    "together",
)
"""What align/ holds, each importing only from what stands left of it."""


SHIPPED = Path("align/export/lerobot_plugin")
"""A project of its own, which is copied and not imported; see tests/export/test_lerobot.py."""


def _modules() -> dict[str, Path]:
    found = {}
    for name, folder in ROOTS.items():
        for path in sorted(Path(folder).rglob("*.py")):
            if SHIPPED in path.parents:
                continue
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((name, *(p for p in parts if p != "__init__")))] = path
    return found


MODULES = _modules()


def _imports(path: Path, late: bool = True) -> set[str]:
    """The modules that a file imports, or without those that it imports `late`, inside a function."""
    found, todo = set(), [ast.parse(path.read_text())]
    for node in todo:
        todo += [n for n in ast.iter_child_nodes(node) if late or not isinstance(n, ast.FunctionDef)]
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import, expected an absolute one"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inside}
    return found


def _packages(names: Iterable[str]) -> set[str]:
    """Names with those of the packages they lie in, which are imported before them."""
    return {".".join(parts[: i + 1]) for parts in (n.split(".") for n in names) for i in range(len(parts))}


IMPORTS = {name: _imports(path) for name, path in MODULES.items()}
AT_TOP = {name: _packages({name, *_imports(path, late=False)}) for name, path in MODULES.items()}


def _in(name: str, rooms: Iterable[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _way(start: str, forbidden: tuple[str, ...]) -> list[str]:
    """How a module comes to import, itself or at another's top, what it may not; empty if it does not."""
    ways = {start: [start]}
    for name in (todo := [start]):
        own = IMPORTS[name] if name == start else ()
        for found in (*sorted(own), *sorted(AT_TOP.get(name, ()), key=len, reverse=True)):
            if found not in ways:
                ways[found] = [*ways[name], found]
                todo.append(found)
                if _in(found, forbidden):
                    return ways[found]
    return []


def _rules() -> list:
    params = []
    for rule in RULES:
        name = f"{','.join(rule[0])} without {','.join(rule[1])}".replace("align.analysis.", "")
        params.append(pytest.param(*rule, id=name))
    return params


@pytest.mark.parametrize(("rooms", "forbidden", "exempt"), _rules())
def test_rooms_import_only_what_they_may(rooms, forbidden, exempt):
    ways = [_way(name, forbidden) for name in MODULES if _in(name, rooms) and not _in(name, exempt)]
    if any(ways):
        pytest.fail("\n".join(" → ".join(way) for way in ways if way))


def test_the_library_flows_one_way():
    inside = {name: name.split(".")[1] for name in MODULES if "." in name and not _in(name, ABOVE_ALIGN)}
    assert set(inside.values()) == set(FLOW)
    back = {
        f"{name} → {found}"
        for name, room in inside.items()
        for found in IMPORTS[name] & set(inside)
        if FLOW.index(inside[found]) > FLOW.index(room)
    }
    assert not back, back


def test_experiments_see_analysis_through_its_commands():
    seen = set().union(*(found for name, found in IMPORTS.items() if _in(name, ["align.experiments"])))
    assert {name for name in seen if _in(name, ["align.analysis"])} <= {"align.analysis.commands"}


def test_no_circles():
    graph = {name: found & set(MODULES) - {name} for name, found in IMPORTS.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"circle: {' ← '.join(error.args[1])}")


WITH_THEIR_ROOMS = ("align.worlds", "align.analysis.statistics")
"""Packages that are one room with those inside them, which build on files beside them."""


def _room(name: str) -> str:
    """The room of a module: its package, or in align/ itself its own file."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    return next(
        (room for room in WITH_THEIR_ROOMS if _in(name, [room])), name if package == "align" else package
    )


def test_no_circles_of_rooms():
    """No two files need import each other for that: an arrow up and another down are a circle, too."""
    graph: dict[str, set[str]] = {}
    for name, found in IMPORTS.items():
        graph.setdefault(_room(name), set()).update(map(_room, found & set(MODULES)))
    assert {"align.cli", "align.experiments", "align.analysis.reports.sweep"} <= set(graph)
    try:
        list(TopologicalSorter({room: seen - {room} for room, seen in graph.items()}).static_order())
    except CycleError as error:
        pytest.fail(f"circle: {' ← '.join(error.args[1])}")


READING = {"open", "read_csv", "to_csv", "read_text", "write_text", "savefig", "savez", "load", "save"}


def test_statistics_touch_no_files():
    for name, path in MODULES.items():
        if _in(name, ["align.analysis.statistics"]):
            calls = [
                node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            ]
            called = {getattr(f, "id", getattr(f, "attr", None)) for f in calls}
            assert not called & READING, f"{name}: {called & READING}"


def _rooms() -> dict[Path, list[Path]]:
    rooms: dict[Path, list[Path]] = {}
    for path in MODULES.values():
        rooms.setdefault(path.parent, []).append(path)
    return rooms


@pytest.mark.parametrize("room", _rooms(), ids=str)
def test_no_room_is_crowded(room):
    files = [path.name for path in _rooms()[room] if path.name != "__init__.py"]
    assert len(files) <= 20, files


def test_every_package_is_installed():
    setup = configparser.ConfigParser()
    setup.read("setup.cfg")
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(setup["options"]["packages"].split()) == packages
    assert all((path.parent / "__init__.py").exists() for path in MODULES.values())


def test_what_is_shipped_as_data_imports_nothing_of_align():
    files = sorted(SHIPPED.rglob("*.py"))
    seen = set().union(*(_packages(_imports(path)) for path in files))
    assert len(files) >= 7 and "lerobot" in seen
    assert not [name for name in seen if _in(name, ["align"])]
