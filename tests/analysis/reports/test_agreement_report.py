import numpy as np
import pandas as pd
import pytest
from synthetic_runs import write_run

from align.analysis.reports import agreement
from align.analysis.reports.everything import REPORTS
from align.analysis.reports.sweep import Sweep
from align.errors import InputError

SKILLS = {0: 0.35, 0.01: 0.5, 0.1: 0.65, 1.0: 0.8, 10.0: 0.95}


def sweep(folder, skills, **kwargs):
    for value, skill in skills.items():
        for seed in (0, 1):
            point = {"lambda": value, "seed": seed}
            write_run(
                folder / f"{value},{seed}", point, skill=skill, seed=seed, episodes=2, windows=1, **kwargs
            )
    return Sweep(folder)


def test_arms_that_simulation_ranks_rightly_agree(tmp_path, drawn):
    written = agreement.report(sweep(tmp_path, SKILLS))
    assert [path.name for path in written] == ["agreement.csv", "agreement.md", "agreement.png"]
    table = pd.read_csv(written[0])
    assert table["measure"].iloc[0] == "Score" and set(table["world"]) == {"real"}
    score = table.iloc[0]
    assert score["arms"] == 5 and score["Spearman ρ"] == 1 and score["MMRV"] == 0
    assert score["Pearson r low"] < score["Pearson r"] <= 1 and score["p, MMRV"] < 0.05
    assert score["MMRV low"] == 0 <= score["MMRV high"]
    (ax,) = drawn["agreement.png"].axes
    assert "Score in sim" in ax.get_xlabel() and "Score in real" in ax.get_ylabel()
    assert "MMRV = 0.00" in ax.get_title()
    caption = " ".join(drawn["agreement.png"].texts[-1].get_text().split())
    assert caption.startswith("5 arms of 2 trainings × 30 trials")


def test_the_correlation_is_that_of_the_arms_means(tmp_path):
    found = sweep(tmp_path, {k: SKILLS[j] for k, j in zip(SKILLS, (0.1, 0, 10.0, 0.01, 1.0), strict=True)})
    means = found.frame.groupby("lambda")[["rollout/sim/score", "rollout/real/score"]].mean()
    panel = agreement.compared(found, "sim", "real", "score")
    assert panel.agreement.pearson.value == pytest.approx(np.corrcoef(means.T)[0, 1])
    assert len(panel.points) == 5
    for x, y in panel.points.values():
        assert x.low < x.value < x.high and y.low < y.value < y.high


def test_fewer_arms_or_one_world_say_nothing(tmp_path):
    few = sweep(tmp_path / "few", dict(list(SKILLS.items())[:3]))
    assert agreement.predictor(few) == "sim" and agreement.report(few) == []
    assert agreement.report in REPORTS


def test_two_sweeps_stand_beside_each_other_with_arms_of_one_look(tmp_path, drawn):
    first = sweep(tmp_path / "knobs", SKILLS)
    second = sweep(tmp_path / "mujoco", dict(reversed(list(SKILLS.items())[1:])))
    written = agreement.together([first, second], tmp_path)
    panels = drawn["agreement.png"].axes[:2]
    table = pd.read_csv(written[0])
    score = table[table["measure"] == "Score"]
    assert [*score["world"]] == ["real of knobs", "real of mujoco"] and [*score["arms"]] == [5, 4]
    alone = [pd.read_csv(agreement.report(s)[0]).iloc[0] for s in (first, second)]
    for together, one in zip(score.to_dict("records"), alone, strict=True):
        assert together["Pearson r"] == one["Pearson r"] and together["MMRV"] == one["MMRV"]
    first_looks, second_looks = (
        {c.get_label(): c.lines[0].get_color() for c in ax.containers if c.get_label()[0] != "_"}
        for ax in panels
    )
    assert set(first_looks) - set(second_looks) == {"lambda=0"}
    assert second_looks == {label: first_looks[label] for label in second_looks}


def test_simulations_of_two_names_are_refused(tmp_path):
    first, second = (sweep(tmp_path / name, SKILLS) for name in ("a", "b"))
    second.worlds[:] = ["real"]
    with pytest.raises(InputError, match=r"predicted by .*a sim, .*b none"):
        agreement.together([first, second], tmp_path)


def test_a_sweep_that_says_nothing_is_not_left_out_in_silence(tmp_path):
    first = sweep(tmp_path / "a", SKILLS)
    few = sweep(tmp_path / "few", dict(list(SKILLS.items())[:3]))
    with pytest.raises(InputError, match="sweeps: few: expected 4 arms"):
        agreement.together([first, few], tmp_path)
    with pytest.raises(InputError, match="expected other names"):
        agreement.together([first, Sweep(tmp_path / "a")], tmp_path)
