"""Names that stores and tables hold may be any text: none of them commands a terminal, or breaks a page."""

import json

import pytest
import zarr

from align.cli import main
from align.errors import InputError, printable
from align.run.config import read_yaml

CLEAR = "\x1b[2J\x1b]0;owned\x07"
TURNED = "\u202e"


def test_what_a_terminal_obeys_is_written_out():
    assert printable("λ\tx\nå—é\u200d") == "λ\tx\nå—é\u200d"
    assert printable("\x1b[2Ja\rb\x7f\x9bm\u202ec") == "\\u001b[2Ja\\u000db\\u007f\\u009bm\\u202ec"
    assert json.loads(printable(json.dumps("\x9b\x7f\u202e", ensure_ascii=False))) == "\x9b\x7f\u202e"


def test_a_store_says_nothing_to_the_terminal(make_store, capsys):
    path = make_store("sim", 3)
    store = zarr.open_group(path)
    store["data/action"].attrs["names"] = [f"x{CLEAR}", f"y{TURNED}"]
    store.attrs["actions"] = f"deltas{CLEAR}"
    main(["inspect", path])
    told = capsys.readouterr()
    for text in told:
        assert not any(sign in text for sign in ("\x1b", "\x07", TURNED))
    assert "x\\u001b[2J" in told.out


@pytest.mark.parametrize("name", [f"a{CLEAR}", "a|b", "cost $5", "$\\q$ and $x", "two\nlines"])
def test_an_arm_may_have_any_name(name, tmp_path, capsys):
    table = tmp_path / "trials.csv"
    rows = [
        f'"{arm}",{start},{(start * 7 + k) % 3 > 0:d}'
        for k, arm in enumerate((name, "b"))
        for start in range(8)
    ]
    table.write_text("\n".join(["arm,start,success", *rows, ""]))
    assert main(["evaluate", str(table)]) == 0
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    page = (tmp_path / "trials-evaluation/evaluation.md").read_text()
    lines = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("| ")]
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert (tmp_path / "trials-evaluation/evaluation.png").is_file()


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
        ),
        "a: &a [*a]",
        "a: &a {b: *a}",
    ],
)
def test_a_configuration_that_repeats_itself_without_end_is_one_line(text, tmp_path):
    """Whoever goes through it would be at it for hours, or till the stack is full."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"config\.yaml: its repetitions"):
        read_yaml(path)
    path.write_text("a: &a [1, 2]\nb: [*a, *a]")
    assert read_yaml(path)["b"] == [[1, 2], [1, 2]]


def test_a_dry_run_tells_of_demonstrations_without_braces(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "lambda", "--scale", "smoke", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "(to be made): n=16, domain=SIM, world={}, seed=1" in told and '"' not in told
    assert "world={visual: 0.2, physics: 1.0, expert: 1.0}" in told
