"""README and docs/: numbers, options and links are those of today."""

import configparser
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from pages import BLOCK, PAGES, ROOT

from align.cli import SUBCOMMANDS, main


def _tool(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_numbers_are_those_of_results():
    values = _tool("values")
    for page in values.pages():
        assert values.filled(page.read_text()) == page.read_text(), f"{page.name}: run make docs"


def test_a_number_is_filled_from_its_cell(tmp_path):
    values = _tool("values")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/results.md").write_text(
        "| arm | a: score |\n| --- | ---: |\n| b | -0.126 [-0.2, 0.1] |\n"
        "\n| arm | a: jerk |\n| --- | ---: |\n| b | −7.31 |\n"
    )
    (tmp_path / "x/more.json").write_text('{"runs": [{"ms": 1.5}]}')
    fill = lambda mark: values.filled(f"x <!--= {mark} -->9<!--/--> y", tmp_path)  # noqa: E731
    assert fill("x | b | a: score") == "x <!--= x | b | a: score -->−0.126 [−0.2, 0.1]<!--/--> y"
    assert "-->−7.3<!--/-->" in fill("x | b | a: jerk | {0:.1f}")
    assert "-->−0.13<!--/-->" in fill("x | b | a: score | {0:.2f}")
    assert "-->1.5<!--/-->" in fill("x/more.json | runs | 0 | ms")
    (tmp_path / "x/two.md").write_text(
        "# One\n\n| a | b |\n| --- | --- |\n| y | .941 |\n\n## Two\n\n| a | b |\n| --- | --- |\n| y | .5 |\n"
    )
    assert "-->94 %<!--/-->" in fill("x/two.md | y | b | {0:.0%}"), "of two tables with the column, the first"
    assert "-->50 %<!--/-->" in fill("x/two.md#Two | y | b | {0:.0%}")
    with pytest.raises(LookupError, match="0 headings 'Three'"):
        fill("x/two.md#Three | y | b")
    with pytest.raises(LookupError, match="no heading 'One'"):
        fill("x/more.json#One | runs | 0 | ms")
    (tmp_path / "x/law.md").write_text("| a |\n| --- |\n\nLoss ≈ 3.0 · |D|^−(0.09 [0.06, 0.11]), R² 0.9\n")
    assert "-->|D|^−0.09 [0.06]<!--/-->" in fill("x/law.md | Loss | |D|^−{1} [{2}]")
    (tmp_path / "x/empty.md").write_text("| a | b | c | d |\n| --- | --- | --- | --- |\n|  | y | 3 |  |\n")
    assert "-->3<!--/-->" in fill("x/empty.md |  | y | c"), "an empty cell is one"
    (tmp_path / "x/short.md").write_text("| a | b |\n| --- | --- |\n| y |\n")
    with pytest.raises(LookupError, match="2 columns and a row of 1"):
        fill("x/short.md | y | b")
    for wrong in ("x | c | a: score", "x | b | score", "y | b | a: score", "x/more.json | runs | 1 | ms"):
        with pytest.raises(LookupError, match=re.escape(wrong.split(" | ")[0])):
            fill(wrong)
    with pytest.raises(LookupError, match="closed"):
        values.filled("x <!--= x | b | a: score -->9 y", tmp_path)
    with pytest.raises(LookupError, match="begins a line"):
        values.filled("x\n<!--= x | b | a: score -->9<!--/--> y", tmp_path)


def test_a_table_is_filled_whole(tmp_path):
    values = _tool("values")
    (tmp_path / "a.md").write_text("# A\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| c |\n| --- |\n")
    page = "x\n\n<!--table: a.md -->\n{}<!--/table-->\n\ny\n"
    filled = page.format("\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n")
    assert values.filled(page.format("old\n"), tmp_path) == filled == values.filled(filled, tmp_path)
    for wrong in ("<!--table: a.md -->\n", "<!--table: b.md -->\n<!--/table-->"):
        with pytest.raises(LookupError):
            values.filled(wrong, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_intervals_are_filled_in(page):
    text = re.sub(r"<!--(=.*?<!--/|table: .*?<!--/table)-->", "", BLOCK.sub("", page.read_text()), flags=re.S)
    assert not re.findall(r"\d \[[−+-]?\d[^\]]*\]", text)


def test_readme_says_no_number_of_its_own():
    """What is measured stands between marks; left are λ, σ_min, chance, a definition and a version."""
    text = (ROOT / "README.md").read_text()
    text = re.sub(r"<!--=.*?<!--/-->", "", text, flags=re.S)
    text = BLOCK.sub("", text)
    left = ["0.01", "0.1", "0.1", "0.35", "0.5", "0.5", "0.90", "0.95", "3.11"]
    assert sorted(re.findall(r"\d+\.\d+", text)) == left


def test_options_are_those_of_today():
    reference = _tool("reference")
    assert reference.PAGE.read_text() == reference.page(), "run make docs"


def test_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == setup["metadata"]["version"]
    assert f"## {citation['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = page if not path else page.parent / path
        assert linked.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in _anchors(linked), f"{page.name}: {target}"
    for command in re.findall(r"`align ([a-z]\w*)", text):
        assert command in SUBCOMMANDS, command
    for path in re.findall(r"(?:experiments|results)/[\w/]+\.(?:yaml|png|csv|md|json)", text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"make ([a-z][a-z-]+)`", text):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_a_dashboard_of_nothing_is_refused(tmp_path):
    (tmp_path / ".align-ready").touch()
    told = subprocess.run(
        ["make", "dashboard", "RUN=runs/nowhere", f"ENV={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode and "RUN=runs/nowhere: no such folder; expected" in told.stderr


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_command_has_help(capsys):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for name in SUBCOMMANDS:
        assert name in overview
        assert main([name, "--help"]) == 0
        assert f"usage: align {name}" in capsys.readouterr().out
