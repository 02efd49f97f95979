"""Names that stores and tables hold may be any text: none of them commands a terminal, or breaks a page."""

import html
import json
import re
import shutil
import sys

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


def test_a_training_says_nothing_to_the_terminal(tmp_path, stores, write_config, capsys):
    """Names of stores are printed before its first step, that of the run at its end."""
    run, odd = tmp_path / f"run{CLEAR}", tmp_path / f"sim{CLEAR}.zarr"
    shutil.move(stores["sim"], odd)
    root = zarr.open_group(str(odd))
    root.attrs["domain"] = f"kitchen{CLEAR}"
    quick = {
        "trainer.max_steps": 1,
        "trainer.val_check_interval": 1,
        "embeddings": {"per_domain": 4, "paired": 0},
    }
    config = write_config(run=str(run), **{"data.sim": str(odd), **quick})
    for command in (["fit", "--config", config], ["validate", "--config", config]):
        assert main(command) == 0
        told = capsys.readouterr()
        assert not any(sign in told.out for sign in ("\x1b", "\x07")), told.out
    assert main(["fit", "--config", config]) == 0
    assert "run\\u001b[2J" in capsys.readouterr().out


def test_a_sweep_says_nothing_to_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    base = ["sweep", "lambda", "--scale", "smoke", "--out", f"out{CLEAR}", "--dry-run"]
    assert main(base) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told and "out\\u001b[2J" in told


def test_the_table_of_a_sweep_shows_names_as_they_are(tmp_path):
    from io import StringIO

    from rich.console import Console

    from align.experiments.following import follow
    from align.experiments.launch import Job

    jobs = [Job("a", tmp_path, "finished", (), {"arm": name}) for name in (f"a{CLEAR}", "[/red]", "[bold]b")]
    out = StringIO()
    follow(iter([jobs]), 1, Console(file=out, force_terminal=True, width=100))
    told = out.getvalue()
    assert "\x07" not in told and "\x1b]0" not in told
    assert all(name in told for name in ("\\u001b[2J", "[/red]", "[bold]b"))


def test_what_draws_does_so_on_the_terminal_itself(capsys):
    from contextlib import redirect_stdout

    from align.command.printing import Printable, terminal

    with redirect_stdout(Printable(Printable(sys.stdout))):
        print("\x1b[1m", end="")
        assert not sys.stdout.isatty()
        terminal().write("\r")
    assert capsys.readouterr().out == "\\u001b[1m\r"


def test_progress_bars_of_training_are_drawn_where_names_are_not_obeyed(capsys):
    from contextlib import redirect_stdout

    from pytorch_lightning.callbacks import RichProgressBar, TQDMProgressBar

    from align.command.printing import Printable, on_terminal

    stream, lines, rich = sys.stdout, TQDMProgressBar(), RichProgressBar()
    with redirect_stdout(Printable(sys.stdout)):
        for bars in (lines, rich, None):
            on_terminal(bars)
        lines.init_train_tqdm().refresh()
    assert "\r" in (told := capsys.readouterr().out) and "\\u000d" not in told
    assert rich._console_kwargs["file"] is stream


NAMES = [
    "<img src=x onerror=alert(1)>",
    "<b>a</b>",
    "a&lt;b",
    "`a",
    "a|b",
    "*a*",
    "[a](http://b)",
    "_a_",
    "\\<i>",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_markup_in_a_page(name, tmp_path):
    """Read as a page would be, by the rules of HTML's entities and of Markdown's code."""
    table = tmp_path / "trials.csv"
    rows = [
        f'"{arm}",{start},{(start * 7 + k) % 3 > 0:d}'
        for k, arm in enumerate((name, "c"))
        for start in range(8)
    ]
    table.write_text("\n".join(["arm,start,success", *rows, ""]))
    assert main(["evaluate", str(table)]) == 0
    page = (tmp_path / "trials-evaluation/evaluation.md").read_text()
    assert not re.search(r"<[A-Za-z/!?]|\]\(|&lt;b(?!&)", page.replace("&amp;lt;", "")), page
    (row,) = [
        line for line in page.splitlines() if line.startswith("| ") and line.count("8") and "| c " not in line
    ]
    assert html.unescape(re.split(r"(?<!\\)\|", row)[1].strip().replace("\\|", "|")) == name


def test_names_in_a_report_are_no_markup(tmp_path):
    from synthetic_runs import write_run

    from align.analysis.reports.arm_table import report
    from align.analysis.reports.sweep import Sweep

    names = ("<i>a", "`b`", "c&d")
    for seed, name in enumerate(names):
        write_run(tmp_path / f"{name},0", {"arm": name, "seed": 0}, seed=seed, episodes=2, windows=1)
    (tmp_path / "<i>a,0/rollouts.csv").unlink()
    report(Sweep(tmp_path))
    page = (tmp_path / "results.md").read_text()
    assert "| &lt;i&gt;a |" in page and "| &#96;b&#96; |" in page and "| c&amp;d |" in page
    assert "`<i>a,0` lacks" in page and "&#96;b&#96;,0 lacks" in page, "code is text to a reader of Markdown"
