"""What functions and classes of ours take, read from their sources: nothing is imported for it.

Help and the page of options come from here. To ask Python itself would import PyTorch and Lightning, seconds
for a screen of text.
"""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

Defining = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Argument:
    """An argument of a function or a class.

    Attributes:
        name: Its name.
        type: Its annotation, aliases replaced by what they stand for, without the names of modules.
        default: As Python writes it; `None` where the argument is required.
        text: What the docstring says of it, in one line.
    """

    name: str
    type: str
    default: str | None
    text: str


@dataclass(frozen=True)
class Signature:
    """A function or a class: where it is defined, the first line of its docstring, and its arguments."""

    path: str
    summary: str
    arguments: list[Argument]


@functools.cache
def signature(path: str) -> Signature:
    """What the function or class at an import path takes.

    Raises:
        LookupError: There is none, or its docstring has no line for an argument.
    """
    from docstring_parser import parse

    module, node = find(path)
    lines = list(_lineage(module, node))
    texts = {
        p.arg_name: " ".join((p.description or "").split())
        for _, kind in reversed(lines)
        for p in parse(ast.get_docstring(kind) or "").params
    }
    arguments = []
    for where, name, annotation, default in _arguments(lines):
        if name not in texts:
            raise LookupError(f"{path}: argument {name} has no line in its docstring")
        written = None if default is None else _default(where, default)
        option = name.removesuffix("_")  # which keeps it from shadowing what Python has, as set_
        arguments.append(Argument(option, _type(where, annotation), written, texts[name]))
    summary = parse(ast.get_docstring(node) or "").short_description or ""
    return Signature(f"{module}.{node.name}", " ".join(summary.split()), arguments)


def exported(package: str, base: str) -> list[str]:
    """Import paths of the classes that a package exports and that build on `base`, but for abstract ones."""
    names = next(n.value for n in _tree(package).body if _assigned(n) == "__all__")
    found = []
    for name in ast.literal_eval(names):
        module, node = find(f"{package}.{name}")
        kinds = [f"{m}.{k.name}" for m, k in _lineage(module, node)] if isinstance(node, ast.ClassDef) else []
        if base in kinds[1:]:
            found.append(f"{package}.{name}")
    return found


def find(path: str) -> tuple[str, ast.AST]:
    """The module that defines what a path names, and its node there.

    Raises:
        LookupError: Nothing of ours has this path.
    """
    module, _, name = path.rpartition(".")
    for node in _tree(module).body:
        if isinstance(node, Defining) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(f"{node.module}.{alias.name}")
        if _assigned(node) == name:
            return module, node.value
    raise LookupError(f"{path}: not found")


@functools.cache
def _tree(module: str) -> ast.Module:
    parts = module.split(".")
    if parts[0] != "align":
        raise LookupError(f"{module}: not of align")
    apart = parts[:2] if parts[1:2] in (["analysis"], ["experiments"]) else parts[:1]  # folders of their own
    folder = Path(find_spec(".".join(apart)).submodule_search_locations[0])
    file = folder.joinpath(*parts[len(apart) :])
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    if not file.is_file():
        raise LookupError(f"{module}: not found")
    return ast.parse(file.read_text(encoding="utf-8"))


def _assigned(node: ast.AST) -> str | None:
    """The name that a statement gives a value, if it is one that does."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def _lineage(module: str, node: Defining) -> Iterator[tuple[str, Defining]]:
    """A class and those of ours that it builds on, nearest first; of a function that one alone."""
    yield module, node
    for base in getattr(node, "bases", []):
        try:
            yield from _lineage(*_named(module, base))
        except LookupError:
            continue  # a library's


def _named(module: str, node: ast.AST) -> tuple[str, ast.AST]:
    """What a name, dotted or not, in a module stands for.

    Raises:
        LookupError: Nothing of ours.
    """
    written = ast.unparse(node)
    first, _, rest = written.partition(".")
    if not first.isidentifier():
        raise LookupError(written)
    if not rest:
        return find(f"{module}.{first}")
    for statement in _tree(module).body:
        for alias in statement.names if isinstance(statement, ast.Import | ast.ImportFrom) else []:
            if (alias.asname or alias.name) == first:
                package = getattr(statement, "module", None)
                return find(f"{package}.{alias.name}.{rest}" if package else f"{alias.name}.{rest}")
    raise LookupError(written)


Found = tuple[str, str, ast.AST, ast.AST | None]
"""The module it stands in, a name, an annotation and a default."""


def _arguments(lines: list[tuple[str, Defining]]) -> Iterator[Found]:
    module, node = lines[0]
    if isinstance(node, ast.FunctionDef):
        yield from _of_function(module, node)
        return
    for where, kind in lines:  # the nearest constructor
        for method in kind.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                yield from list(_of_function(where, method))[1:]
                return
        if any("dataclass" in ast.unparse(decorator) for decorator in kind.decorator_list):
            for statement in kind.body:
                if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement):
                    yield where, statement.target.id, statement.annotation, statement.value
            return


def _of_function(module: str, node: ast.FunctionDef) -> Iterator[Found]:
    given = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(given) - len(node.args.defaults)) + node.args.defaults
    for argument, default in zip(
        [*given, *node.args.kwonlyargs], [*defaults, *node.args.kw_defaults], strict=True
    ):
        yield module, argument.arg, argument.annotation, default


def _default(module: str, node: ast.AST) -> str:
    """A default as Python would write it; of a class or an enumeration the name alone."""
    try:
        return repr(ast.literal_eval(node))
    except ValueError:
        pass
    try:
        where, found = _named(module, node)
    except LookupError:
        return ast.unparse(node).rpartition(".")[2]  # a member, or a library's
    return found.name if isinstance(found, Defining) else _default(where, found)


def _type(module: str, node: ast.AST) -> str:
    """An annotation, with what aliases stand for in their place."""
    if isinstance(node, ast.BinOp):
        return f"{_type(module, node.left)} | {_type(module, node.right)}"
    if isinstance(node, ast.Name | ast.Attribute):
        try:
            where, found = _named(module, node)
        except LookupError:
            found = None
        if found is not None and not isinstance(found, Defining):
            return _type(where, found)
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Optional":
        return f"{_type(module, node.slice)} | None"
    return re.sub(r"(?:\w+\.)+(?=\w)", "", ast.unparse(node))
