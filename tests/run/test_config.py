"""YAML that users and runs wrote: what it holds, or a line."""

import pytest

from align.errors import InputError
from align.run.config import parse_yaml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "expected ',' or ']'"),
        ("a: @x", "character '@' that cannot start"),
        ("a: *b", "undefined alias 'b'"),
        ("a: \ud83d", "special characters are not allowed"),
        ("[" * 700, "recursion"),
        ("[" * 2000, "recursion"),
        ("a: " + "[" * 700 + "]" * 700, "recursion"),
        ("a: 2026-13-45", "month must be in 1..12"),
        ("a: !!bool maybe", "'maybe'"),
        ("a: !!timestamp noon", "NoneType"),
        ("a: !!int", "index out of range"),
    ],
)
def test_what_is_not_yaml_is_a_line_that_says_why(text, words):
    with pytest.raises(InputError, match=r"^x\.yaml: not YAML \(") as refused:
        parse_yaml(text, "x.yaml")
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_what_one_parser_alone_takes_is_taken():
    assert parse_yaml("%YAML 1.3\n---\na: 1", "x.yaml") == {"a": 1}
    assert parse_yaml("a: 2026-01-02\nb: 1e-3\nc: !!binary aGk=", "x.yaml")["c"] == b"hi"
