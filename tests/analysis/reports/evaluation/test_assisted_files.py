"""Simulation beside a few trials on the robot, from a column or from files of its own."""

import numpy as np
import pytest

from align.analysis.reports.evaluation.assisted import assist
from align.analysis.reports.evaluation.trials import read_trials
from align.analysis.statistics.trials.prediction_powered import assisted_difference, assisted_rate
from align.cli import main
from align.errors import InputError
from align.seeding import numpy_rng

N, MORE = 15, 100


@pytest.fixture(scope="module")
def outcomes():
    """By arm, on the robot (N,) and in simulation (N + MORE,)."""
    rng = numpy_rng(0, "assisted files")
    hard = rng.standard_normal(N + MORE)
    return {
        arm: (
            (hard[:N] + 0.3 * rng.standard_normal(N) > at).astype(int),
            (hard + 0.3 * rng.standard_normal(N + MORE) > at + 0.2).astype(int),
        )
        for arm, at in (("old", 0.3), ("new", -0.7))
    }


def _write(path, rows) -> str:
    path.write_text(
        "policy,start,success,predicted\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    )
    return str(path)


def test_a_column_and_a_second_file_say_the_same(tmp_path, outcomes):
    column = [
        (arm, s, real[s] if s < N else "", simulated[s])
        for arm, (real, simulated) in outcomes.items()
        for s in range(N + MORE)
    ]
    one = read_trials([_write(tmp_path / "one.csv", column)])
    assert f"{2 * MORE} rows with a prediction alone" in "\n".join(one.how)
    real = [(arm, s, r[s], "") for arm, (r, _) in outcomes.items() for s in range(N)]
    sim = [(arm, s, f[s], "") for arm, (_, f) in outcomes.items() for s in range(N + MORE)]
    two = [
        read_trials([_write(tmp_path / f"{name}.csv", rows)]) for name, rows in (("real", real), ("sim", sim))
    ]
    found = assist(one.trials, (), ["old", "new"], "old", 0.95)
    assert found == assist(two[0].trials, two[1].trials, ["old", "new"], "old", 0.95)
    (y, f), (y0, f0) = outcomes["new"], outcomes["old"]
    assert found[1].rate == assisted_rate(y, f[:N], f[N:])
    assert found[1].difference == assisted_difference(y, y0, f[:N], f0[:N], f[N:], f0[N:])
    for arm in found:
        assert np.ptp(arm.rate.interval[1:]) < np.ptp(arm.rate.alone[1:])


def test_the_command_says_what_simulation_adds(tmp_path, capsys, outcomes):
    real = [(arm, s, r[s], "") for arm, (r, _) in outcomes.items() for s in range(N)]
    sim = [(arm, s, f[s], "") for arm, (_, f) in outcomes.items() for s in range(N + MORE)]
    files = _write(tmp_path / "real.csv", real), _write(tmp_path / "sim.csv", sim)
    assert main(["evaluate", files[0], "--simulated", f"[{files[1]}]"]) == 0
    said = capsys.readouterr().out
    assert f"with {MORE} simulated starts beside its {N} on the robot" in said and "% shorter" in said
    assert (tmp_path / "real-evaluation/assisted.csv").is_file()


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([("a", s, 1, 1) for s in range(5)], "5 starts on the robot and 0 further ones in simulation"),
        (
            [("a", 0, 1, ""), *(("a", s, 1, 1) for s in range(1, 5))],
            "start '0' was not simulated \\(1 of 5\\)",
        ),
    ],
)
def test_too_little_simulation_is_a_line(tmp_path, rows, line):
    trials = read_trials([_write(tmp_path / "t.csv", rows)]).trials
    with pytest.raises(InputError, match=line):
        assist(trials, (), ["a"], "a", 0.95)


def test_simulated_files_are_out_of_as_many_marks(tmp_path, capsys, outcomes):
    """One number holds for all files; by name it holds where it is said."""
    marked = [(arm, s, 10 * r[s], "") for arm, (r, _) in outcomes.items() for s in range(N)]
    real = _write(tmp_path / "real.csv", marked)
    pages = []
    for name, marks, option in (
        ("same", 10, "10"),
        ("share", 1, "{real.csv: 10}"),
        ("five", 5, "{real: 10, five: 5}"),
    ):
        rows = [(a, s, marks * f[s], "") for a, (_, f) in outcomes.items() for s in range(N + MORE)]
        sim = _write(tmp_path / f"{name}.csv", rows)
        assert main(["evaluate", real, "--simulated", f"[{sim}]", "--full_marks", option]) == 0
        pages.append(capsys.readouterr().out.split("How it was read")[0])
    assert pages[0] == pages[1] == pages[2] and "With simulation" in pages[0]
    assert main(["evaluate", real, "--simulated", f"[{tmp_path / 'share.csv'}]", "--full_marks", "10"]) == 2
    assert "share.csv: --full_marks 10, but the largest number of 'success' is 1" in capsys.readouterr().err
