"""What jsonargparse says of a mistake, as one line: the option, its value, what was expected, what was meant.

Its messages nest: a key, the class given there, a key of that class, and at the end a list of every type that
was tried. The options themselves are known from the sources; see `align.command.signatures`.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from align.command.fit_options import CHOICES, RUN_OPTIONS, SECTIONS, TRAINER_TEXTS
from align.command.signatures import exported, signature
from align.errors import mistake_behind, one_line

REQUIRED = "arguments are required: "
AMBIGUOUS = re.compile(r"ambiguous option: (--[^\s=]+)\S*.* could match (--\S+(?:, --\S+)*)$")
SECTION_ITSELF = "Unable to load config"
SECTION = re.compile(r"""Parser key "([^"]+)": Unable to load config ('.*?'|".*?") - (.*)$""")
NAMED = 8
"""So many options are named at most where several may be meant."""
KEY = re.compile(r'^(?:- )?Parser key "([^"]+)": ')
WITHIN = re.compile(r"Problem with given class_path '([^']+)': ")
UNKNOWN = re.compile(r"Option '([^']+)' is not accepted|does not accept option '([^']+)'")
ABSENT = re.compile(r"(No module named '[^']+'|module '[^']+' has no attribute '[^']+')")
VALUE = re.compile(r"(?:Got value|Given value): (.*?)(?= - Expected a | - Problem with | Given value|$)")
IMPORT_PATH = re.compile(r"Expected a dot import path string: (\S+)")
NESTED = re.compile(r"^NestedArg\(key='[^']*', val=(.*)\)$")
LITERAL = re.compile(r"typing\.Literal\[([^\]]*)\]")
CLASS = re.compile(r"<class '([^']+)'>|<enum '(\w+)'>: \{([^}]*)\}|(list|tuple|dict)\[")
WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "NoneType": "null",
    "list": "a list, as '[a, b]'",
    "tuple": "a list, as '[1, 2]'",
    "dict": "a mapping, as '{a: b}'",
}


def fit_options() -> dict[str, str]:
    """All options of `align fit`, and what they say."""
    trainer = {f"trainer.{name}": text for name, text in TRAINER_TEXTS.items()}
    if lightning := sys.modules.get("pytorch_lightning"):
        trainer |= {f"trainer.{name}": "" for name in inspect.signature(lightning.Trainer).parameters}
    others = ("config", "print_config", "seed_everything", "ckpt_path", "optimizer", "lr_scheduler")
    own = {name: text for name, (_, _, text) in RUN_OPTIONS.items()}
    return {**own, **trainer, **_in_sections(SECTIONS), **dict.fromkeys((*others, "help", "help-all"), "")}


def options_of(path: str) -> dict[str, str]:
    """All options of a command that is a function, and what they say."""
    try:
        own = {a.name: a.text for a in signature(path).arguments}
    except LookupError:
        return {}  # not of align
    if {"data", "policy"} <= set(own):  # those of align fit, also as `--model.policy`
        own |= _in_sections({"data": SECTIONS["data"], "policy": SECTIONS["model.policy"]}) | {"config": ""}
    return {**own, "help": "", "help-all": ""}


def _in_sections(sections: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{prefix}.{a.name}": a.text for prefix, path in sections.items() for a in signature(path).arguments
    }


def explained(error: Exception, options: Mapping[str, str]) -> str:
    """An error of jsonargparse's, as one line of ours.

    Args:
        error: The error; one that an `InputError` lies behind has that one's message.
        options: The command's options, and what they say.
    """
    message = one_line(error)
    if mistake_behind(error) is not None:
        return message
    while section := SECTION.match(message):
        key, value, message = section.groups()
        if not (KEY.match(message) and SECTION_ITSELF not in message):  # else it is of something in it
            return _no_section(key, value[1:-1], options)
    before, required, names = message.partition(REQUIRED)
    if required:
        asked = [name.removeprefix("fit.") for name in names.split(", ")]
        return before + required + ", ".join(_with_text(name, options) for name in asked)
    if message.startswith("unrecognized arguments: "):
        return _unrecognized(message.removeprefix("unrecognized arguments: "), options)
    if ambiguous := AMBIGUOUS.match(message):
        return _ambiguous(ambiguous[1], ambiguous[2].split(", "))
    if expected := re.match(r"argument (--\S+): expected (?:one|at least one) argument", message):
        option = expected[1].split("/")[0]  # one that takes a list has a second name
        return f"{option}: expected a value"
    if missing := re.match(r"Parser key \"config\": File does not exist: '(.*)'", message):
        return f"config={missing[1]!r}: there is no such file"
    keys, kind, rest = _followed(message)
    if unknown := UNKNOWN.search(rest):
        name = unknown[1] or unknown[2]
        return (
            unknown_option(name, options) if kind is None else _unknown_argument(".".join(keys), name, kind)
        )
    value = _value(rest)
    if not keys or value is None:
        return message
    expected, candidates = _expected(keys, rest)
    meant = _meant(value, candidates)
    reason = f"{absent[1]}; " if (absent := ABSENT.search(rest)) else ""
    return f"{'.'.join(keys)}={value}: {reason}expected {expected}{meant}"


def _followed(message: str) -> tuple[list[str], str | None, str]:
    """The keys that a message goes through, the last class on the way, and what is said at the end."""
    keys, kind = [], None
    while not UNKNOWN.match(message):
        if key := KEY.match(message):
            keys.append(key[1])
            message = message[key.end() :]
        inner = [m for m in WITHIN.finditer(message) if _goes_on(message[m.end() :])]
        if not inner:
            break
        kind, message = inner[0][1], message[inner[0].end() :]
    return keys, kind, message


def _goes_on(rest: str) -> bool:
    return bool(KEY.match(rest) or UNKNOWN.match(rest))


def _value(rest: str) -> str | None:
    """The value that did not fit, as it was given."""
    found = VALUE.search(rest) or IMPORT_PATH.search(rest)
    if found is None:
        return None
    value = found[1].strip()
    nested = NESTED.match(value)
    return nested[1].strip("'\"") if nested else value


def _expected(keys: list[str], rest: str) -> tuple[str, list[str]]:
    """What a key takes, in words, and values that are known."""
    types = rest.partition("Errors:")[0] if "Subtypes:" in rest else rest.partition("Got value")[0]
    candidates = [c.strip(" '\"") for found in LITERAL.findall(types) for c in found.split(",")]
    words: list[str] = []
    for path, _, members, container in CLASS.findall(types):
        name = (path or container).rpartition(".")[2]
        if members:
            candidates += members.split(",")
        elif name in WORDS:
            words += [WORDS[name]] if name != "NoneType" else []
        else:
            base, known = _class(name, path)
            candidates += known
            words.append(base)
    if not words and not candidates and keys:  # a class that is required: no union was tried
        words.append("a class by its import path")
    for base in CHOICES:  # what makes one is one, too
        if f".{base}]" in types and not any(base in word for word in words):
            word, known = _class(base, "")
            words, candidates = [*words, word], [*candidates, *known]
    return " or ".join([*_listed(dict.fromkeys(candidates)), *dict.fromkeys(words)]), candidates


def _listed(candidates: Iterable[str]) -> list[str]:
    candidates = list(candidates)
    if len(candidates) < 2:
        return candidates
    return [f"one of {', '.join(candidates)}"]


def _class(name: str, path: str) -> tuple[str, list[str]]:
    """How a class is given, and those that are there."""
    if name in CHOICES:
        known = [kind.rpartition(".")[2] for kind in exported(*CHOICES[name])]
        return f"the import path of your own {name}", known
    arguments = _arguments(path)
    if arguments and path.startswith("align."):
        return f"a mapping of {', '.join(arguments)}", []
    return f"the import path of a {name}", []


def _arguments(path: str) -> list[str]:
    """Names of the arguments of a class, ours or a user's."""
    try:
        return [a.name for a in signature(path).arguments]
    except LookupError:
        module, _, name = path.rpartition(".")
        found = getattr(sys.modules.get(module), name, None)
        return list(inspect.signature(found).parameters) if inspect.isclass(found) else []


def _with_text(name: str, options: Mapping[str, str]) -> str:
    text = options.get(name, "").rstrip(".")
    return f"{name} ({text})" if text else name


def _unrecognized(given: str, options: Iterable[str]) -> str:
    """Of an argument that no option takes."""
    first = given.split()[0]
    if not first.startswith("--"):
        return f"{given!r}: expected an option, which begins with --"
    return unknown_option(first.removeprefix("--").partition("=")[0], options)


def _no_section(key: str, value: str, options: Iterable[str]) -> str:
    """Of a section of options that is given as something else."""
    inside = (name.removeprefix(f"{key}.") for name in options if name.startswith(f"{key}."))
    names = list(dict.fromkeys(name.split(".")[0] for name in inside))
    known = f" ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})" if names else ""
    return f"{key}={value}: expected a mapping of its options{known}, or a YAML file of them"


def _ambiguous(given: str, matches: Iterable[str]) -> str:
    """Of an abbreviation: what jsonargparse adds to an option, as --OPTION.help, is no other one."""
    found = dict.fromkeys(match.removesuffix("+").removesuffix(".help") for match in matches)
    names = [name for name in found if name != given]
    if len(names) == 1:
        return f"{given}: there is no such option; did you mean {names[0]}?"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{given}: fits several options; expected one of {', '.join(names[:NAMED])}{more}"


def unknown_option(name: str, options: Iterable[str]) -> str:
    """Of an option that there is not: the first part of its name that is wrong tells what was meant.

    Args:
        name: Its name, without `--`.
        options: Those that there are.
    """
    if name in options:
        return f"--{name}: is given by its place, as its value alone without --{name}"
    parts = name.replace("-", "_").split(".")
    prefixes = {".".join(o.split(".")[:i]) for o in options for i in range(1, o.count(".") + 2)}
    known = 0
    while known < len(parts) and ".".join(parts[: known + 1]) in prefixes:
        known += 1
    parent = "".join(f"{part}." for part in parts[:known])
    beside = [p for p in prefixes if p.startswith(parent) and "." not in p.removeprefix(parent)]
    wrong = f"{parent}{parts[known]}" if known < len(parts) else name
    named = [option for option in options if option.endswith(f".{name}")]  # without its section
    meant = get_close_matches(wrong, beside, n=1) or named or get_close_matches(name, options, n=1)
    hint = f"; did you mean --{meant[0]}?" if meant else "; --help lists the options"
    return f"--{name}: there is no such option{hint}"


def _unknown_argument(option: str, name: str, kind: str) -> str:
    """Of an argument that a class does not take."""
    names = _arguments(kind)
    listed = f"; expected one of {', '.join(names)}" if names else ""
    return f"{option}.{name}: {kind.rpartition('.')[2]} has no such argument{listed}{_meant(name, names)}"


def _meant(value: str, candidates: Iterable[str]) -> str:
    lowered = {c.lower(): c for c in reversed(list(candidates))}
    close = get_close_matches(value.rpartition(".")[2].lower(), lowered, n=1)
    return f"; did you mean {lowered[close[0]]}?" if close else ""
