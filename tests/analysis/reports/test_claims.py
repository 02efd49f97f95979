"""Published claims measured on simulated sweeps whose truth is known, and on what was recorded."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from test_plateau_report import REAL
from test_plateau_report import write as write_cell

from align.analysis.reports import plateau
from align.analysis.reports.claims.command import claims, report, summary
from align.analysis.reports.claims.declared import read_claims, read_regime
from align.analysis.reports.claims.finding import NOT_YET, Finding, over_all
from align.analysis.reports.claims.findings import find
from align.analysis.reports.sweep import Metric, Sweep, kept
from align.analysis.reports.sweep.comparisons import compare
from align.analysis.reports.sweep.kept import MOVED, PATH, TRIALS
from align.analysis.reports.sweep.regime import of_regime
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.verdict import CONFIRMED, REFUTED, UNDECIDED, verdict
from align.errors import InputError
from align.seeding import numpy_rng

RESULTS = Path(__file__).parents[3] / "results"
STEPS = {"trainer": {"max_steps": 100, "callbacks": [{"init_args": {"worlds": {"real": {}}}}]}}
RATIO = {"measure": "acceleration", "claimed": "below", "compare": [{"arm": "b", "over": "a"}]}
ACCURACY = {"measure": "probe/image/accuracy", "null": 0.5, "compare": [{"arm": "b"}]}
SUCCESS = {"sweep": "ways", "regime": "now", "measure": "success", "claimed": "above", "margin": 0.1}


def write_sweep(folder, rates, trainings=5, trials=200, steps=100):
    """A sweep `ways` of named arms that succeed at these rates, trials of one difficulty for all."""
    hard = numpy_rng(0, "difficulty of claims").normal(0, 0.6, trials)
    for name, rate in rates.items():
        for seed in range(trainings):
            rng = numpy_rng(seed, "claims", len(name), round(1000 * rate))
            run = folder / "ways" / f"arm={name},seed={seed}"
            run.mkdir(parents=True)
            (run / "point.json").write_text(json.dumps({"arm": name, "seed": seed}))
            config = STEPS | {"trainer": STEPS["trainer"] | {"max_steps": steps}}
            (run / "config.yaml").write_text(yaml.safe_dump(config))
            logit = np.log(rate / (1 - rate)) + rng.normal(0, 0.1) - hard
            success = (rng.random(trials) < 1 / (1 + np.exp(-logit))).astype(int)
            rows = {"world": "real", "trial": range(trials), "seed": range(trials)}
            pd.DataFrame(rows | {"score": success, "success_90": success}).to_csv(
                run / "rollouts.csv", index=False
            )
    return folder


def declare(folder, *entries, **regime):
    """`claims.yaml` with these claims; each is merged into a claim about success."""
    stated = [{"claim": f"claim {i}", "source": "a paper", **SUCCESS, **e} for i, e in enumerate(entries)]
    content = {"claims": stated, "regimes": {"now": regime or {"trainer.max_steps": 100}}}
    (folder / "claims.yaml").write_text(yaml.safe_dump(content))
    return folder


def verdicts(folder):
    stated = read_claims(folder / "claims.yaml")
    return [over_all(*pair) for pair in zip(stated, find(stated, folder), strict=True)]


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """b is better than a by .35, same is as good, worse is worse by .35."""
    return write_sweep(tmp_path_factory.mktemp("claims"), {"a": 0.5, "same": 0.5, "b": 0.85, "worse": 0.15})


def test_the_verdict_is_the_truth_where_the_sweep_can_tell(ways):
    b, same = ({"compare": [{"arm": arm, "minus": "a"}]} for arm in ("b", "same"))
    each = {"compare": [{"arm": "*", "minus": "a"}]}
    stated = [
        (b, CONFIRMED),
        (b | {"claimed": "not above"}, REFUTED),
        (b | {"claimed": "below"}, REFUTED),
        (same | {"margin": 0.01}, UNDECIDED),
        (same | {"margin": 0.3}, REFUTED),
        (same | {"claimed": "not above", "margin": 0.3}, CONFIRMED),
        (same | {"claimed": "not above", "margin": 0.01}, UNDECIDED),
        (each, REFUTED),  # of every one: the worse one is not better
        (each | {"every": False}, CONFIRMED),
        ({"compare": [{"arm": "[bs]*", "minus": "worse"}]}, CONFIRMED),
    ]
    assert verdicts(declare(ways, *(claim for claim, _ in stated))) == [expected for _, expected in stated]


def test_intervals_of_all_claims_on_a_sweep_hold_at_once(ways):
    declare(ways, {"compare": [{"arm": "b", "minus": "a"}]}, {"compare": [{"arm": "[sw]*", "minus": "a"}]})
    stated = read_claims(ways / "claims.yaml")
    found = [finding for findings in find(stated, ways) for finding in findings]
    sweep = Sweep(ways / "ways")
    arms = {arm.label: arm for arm in sweep.arms()}
    pairs = [(arms[name], arms["a"]) for name in ("b", "same", "worse")]
    expected = compare(sweep, pairs, Metric("rollout", "real", "success_90")).pairs
    assert [f.compared for f in found] == ["b − a", "same − a", "worse − a"]
    assert [(f.estimate, f.single) for f in found] == [(p.simultaneous, p.single) for p in expected]
    assert all(f.trainings == 5 and f.trials == 200 and 0.02 < f.detectable < 0.3 for f in found)
    assert found[1].single.low > found[1].estimate.low


def test_what_a_sweep_could_have_found_is_said_where_it_is_undecided(ways, tmp_path):
    declare(ways, {"compare": [{"arm": "same", "minus": "a"}], "margin": 0.01})
    stated = read_claims(ways / "claims.yaml")
    (found,) = find(stated, ways)
    assert f"undecided; {found[0].detectable:.2f} would be found in 80 %" in summary([(stated[0], found)])
    written = report(ways, tmp_path)
    assert [path.name for path in written] == ["claims.md", "claims.csv", "claims.png"]
    row = pd.read_csv(written[1]).iloc[0]
    assert row["verdict"] == UNDECIDED and row["found in 80 %"] == pytest.approx(
        found[0].detectable, rel=1e-4
    )
    assert not (ways / "claims.md").exists()


def test_what_could_have_been_found_is_said_by_unit():
    claim = read_claims(RESULTS / "claims.yaml")[-1]
    assert [test.unit for test in claim.tests] == ["ratio", "difference"] * 2
    wide = Interval(0.98, 0.5, 1.5), Interval(0.0, -0.2, 0.2)
    found = [
        Finding(test, str(i), wide[i % 2], detectable=size)
        for i, (test, size) in enumerate(zip(claim.tests, (1.3, 0.14, 1.21, 0.2), strict=True))
    ]
    said = "×1.21 to ×1.30 in acceleration, 0.14 to 0.20 in success would be found in 80 %"
    assert said in summary([(claim, found)])
    assert "undecided; 0.14 would be found" in summary([(claim, found[1:2])])


def test_trainings_without_others_have_no_verdict(tmp_path):
    write_sweep(tmp_path, {"a": 0.3, "b": 0.9}, trainings=1)
    declare(tmp_path, {"compare": [{"arm": "b", "minus": "a"}]})
    assert verdicts(tmp_path) == [UNDECIDED]
    stated = read_claims(tmp_path / "claims.yaml")
    assert "]† |" in summary(list(zip(stated, find(stated, tmp_path), strict=True)))


def test_what_is_not_of_todays_regime_decides_nothing(tmp_path):
    write_sweep(tmp_path, {"a": 0.3, "b": 0.9}, trainings=2, steps=50)
    claim = {"compare": [{"arm": "b", "minus": "a"}]}
    declare(tmp_path, claim, {**claim, "sweep": "another"}, {"compare": [{"arm": "c", "minus": "a"}]})
    assert verdicts(tmp_path) == [NOT_YET] * 3
    stated = read_claims(tmp_path / "claims.yaml")
    (here,), (nowhere,), (unknown,) = find(stated, tmp_path)
    sweep = Sweep(tmp_path / "ways")
    rates = sweep.frame.groupby("arm")["rollout/real/success_90"].mean()
    assert here.earlier == pytest.approx(rates["b"] - rates["a"]) and here.estimate is None
    assert nowhere.earlier is None and unknown.earlier is None
    table = summary(list(zip(stated, ([here], [nowhere], [unknown]), strict=True)))
    assert "earlier regime +0." in table and table.count(NOT_YET) == 3
    declare(tmp_path, claim, **{"trainer.max_steps": 50, "trainer.callbacks.0.worlds.real": {}})
    assert verdicts(tmp_path) == [CONFIRMED], "settings are found within a class's arguments, too"


def test_a_sweep_is_of_a_regime_if_all_its_runs_are(tmp_path):
    settings = {"trainer.max_steps": 100}
    write_sweep(tmp_path, {"a": 0.3, "b": 0.9}, trainings=2, trials=5)
    sweep = tmp_path / "ways"
    (sweep / "arm=c,seed=0").mkdir()
    (sweep / "arm=c,seed=0/point.json").write_text("{}")
    assert of_regime(sweep, settings), "a run that has not begun says nothing"
    (sweep / "arm=b,seed=1/config.yaml").write_text(yaml.safe_dump({"trainer": {"max_steps": 50}}))
    assert not of_regime(sweep, settings), "though all others had these settings"
    assert not of_regime(tmp_path, settings), "nothing is known"


def test_a_kept_sweep_is_of_a_regime_if_all_its_runs_made_the_steps(tmp_path):
    settings = {"trainer.max_steps": 100}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(STEPS))
    trials = pd.DataFrame({"run": ["a", "b"], "world": "real", "seed": 0, "score": 0.0})
    for steps, expected in (([100, 100], True), ([100, np.nan], True), ([100, 250], False)):
        runs = pd.DataFrame({"run": ["a", "b"], "missing": "", "summary/steps": steps})
        kept.write(tmp_path, trials, runs, {})
        assert of_regime(tmp_path, settings) == expected
    assert of_regime(tmp_path, {"trainer.callbacks.0.worlds.real": {}}), "by the configuration kept"
    assert not of_regime(RESULTS / "oracle", read_regime(RESULTS / "claims.yaml", "pushing"))


def test_a_kept_number_that_changes_changes_the_verdict(tmp_path):
    for name in ("baselines", "claims.yaml"):
        copy = shutil.copytree if (RESULTS / name).is_dir() else shutil.copyfile
        copy(RESULTS / name, tmp_path / name)
    content = yaml.safe_load((tmp_path / "claims.yaml").read_text())
    content["claims"] = content["claims"][:1]
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content))
    assert verdicts(tmp_path) == [CONFIRMED]
    table = pd.read_csv(tmp_path / "baselines" / TRIALS)
    alone = table["run"].str.contains("real-only")
    better = np.where(table["trial"] % 5, 1, 0)
    table.loc[alone, "success_90"] = better[alone]
    (tmp_path / "baselines" / TRIALS).write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    assert verdicts(tmp_path) == [REFUTED]
    shutil.rmtree(tmp_path / "baselines")
    assert verdicts(tmp_path) == [NOT_YET]


def test_an_arm_that_is_not_there_is_one_line(ways):
    declare(ways, {"compare": [{"arm": "dann", "minus": "a"}]})
    with pytest.raises(
        InputError, match=r"ways, claimed of 'dann': .*expected one of \['a', .*'worse'\]"
    ) as told:
        find(read_claims(ways / "claims.yaml"), ways)
    assert "\n" not in str(told.value)
    for compared, said in (
        ({"arm": "b", "minus": "dann"}, "expected one of"),
        ({"arm": "lambda=*", "minus": "a"}, "expected one of"),
        ({"arm": "a", "minus": "a"}, "compared with itself"),
    ):
        declare(ways, {"compare": [compared]})
        with pytest.raises(InputError, match=said):
            find(read_claims(ways / "claims.yaml"), ways)
    declare(ways, {"compare": [{"arm": "*", "minus": "a", "name": "all"}]})
    with pytest.raises(InputError, match="name='all': the pattern"):
        find(read_claims(ways / "claims.yaml"), ways)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claimed": "larger"}, "claimed='larger'"),
        ({"margin": "wide"}, "margin='wide'"),
        ({"margin": 0}, "margin=0"),
        ({"margin": None}, "margin=None: expected a number"),
        ({"margin": {}}, "margin={}: expected a number"),
        ({"null": []}, "null=[]: expected a number"),
        ({"claimed": "within", "ends": [None, 3]}, "ends=None: expected a number"),
        (
            {"published": {"arm": 3, "other": 4, "of": {}}},
            "published={'arm': 3, 'of': {}, 'other': 4}: expec",
        ),
        ({"regime": "then"}, "regime='then': expected one of now"),
        ({"measure": "auc"}, "KIND/PLACE/NAME"),
        ({"measure": "probe/image/auc"}, "minus is of trials"),
        ({"measure": "acceleration"}, "minus is of trials"),
        ({"compare": [{"arm": "b", "over": "a"}]}, "over is of motion"),
        ({"compare": [{"arm": "b"}]}, "expected a null"),
        ({"compare": [{"minus": "a"}]}, "expected an arm minus another"),
        ({"wheather": 1}, "no entry wheather"),
        ({"every": "most"}, "every='most'"),
        ({"compare": []}, "compare="),
        ({"compare": [{"arm": "b", "minus": "a", "over": "a"}]}, "minus and over"),
        ({"compare": [{"arm": 3, "minus": "a"}]}, "arm=3: expected text"),
        ({"compare": [{"arm": "b", "minus": "a", "published": {"arm": 1}}]}, "published: lacks other"),
        ({"compare": [{"arm": "b", "minus": "a", "published": "much"}]}, "published="),
        ({"compare": [{"arm": "b", "minus": "a", "published": {"arm": 1, "other": 2, "of": 0}}]}, "of=0"),
        ({"compare": [{"arm": "b", "minus": "a", "ends": [1, 2]}]}, "ends="),
        ({"compare": ["b"]}, "compare='b'"),
        ({"margin": 1}, "null=0, margin=1: above 1 settles nothing of a difference in success"),
        ({"margin": 1, "claimed": "not below"}, "not below -1 settles nothing"),
        ({"null": 0.95, "margin": 0.05}, "null=0.95, margin=0.05"),
        (RATIO | {"margin": 1}, "below 0 settles nothing of a ratio in acceleration"),
        (RATIO | {"margin": 1, "claimed": "above"}, "above 2 settles nothing"),
        (ACCURACY | {"margin": 0.5}, "above 1 settles nothing of a level in probe/image/accuracy"),
        (ACCURACY | {"margin": 0.5, "claimed": "below"}, "below 0 settles nothing"),
        (ACCURACY | {"null": 1, "claimed": "below"}, "null=1, margin=0.1"),
        (ACCURACY | {"published": {"arm": 1, "other": 0.5}}, "a number or a range of an arm by itself"),
        ({"published": [None, 0.1]}, "published=[None, 0.1]: expected numbers"),
        ({"published": {"arm": 1, "other": 0, "of": None}}, "expected numbers"),
        ({"published": [0.3, 0.1]}, "published=[0.3, 0.1]: expected a range in increasing order"),
        ({"published": {"arm": 21, "other": 31, "of": 30}}, "expected counts of at most `of` trials"),
        ({"published": {"arm": 31, "other": 1, "of": 30}}, "expected counts of at most `of` trials"),
    ],
    ids=str,
)
def test_a_claim_that_cannot_be_read_is_one_line(tmp_path, change, said):
    declare(tmp_path, {"compare": [{"arm": "b", "minus": "a"}], **change})
    with pytest.raises(InputError) as told:
        read_claims(tmp_path / "claims.yaml")
    assert said in str(told.value) and "claims.yaml" in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    "change",
    [
        {"margin": 0.99},
        RATIO | {"margin": 0.99},
        ACCURACY | {"margin": 0.49, "published": [0.74, 0.93]},
        {"measure": "held_out/real/action_error", "margin": 30.0},  # errors have no upper end
        {"published": {"arm": 30, "other": 0, "of": 30}},
    ],
    ids=str,
)
def test_a_margin_within_what_the_measure_can_be_is_taken(tmp_path, change):
    declare(tmp_path, {"compare": [{"arm": "b", "minus": "a"}], **change})
    assert len(read_claims(tmp_path / "claims.yaml")) == 1


def test_a_folder_without_claims_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no claims\.yaml"):
        claims(str(tmp_path))


def test_a_multiple_of_real_data_is_that_of_the_plateau(tmp_path):
    path = tmp_path / "sizes"
    path.mkdir()
    alone = lambda n: 0.12 + 0.75 * n / (n + 60)  # noqa: E731
    for seed in (0, 1):
        for real in REAL:
            write_cell(path, 0, real, seed, alone(real))
        for real, top in ((10, 0.35), (20, 0.45)):
            for sim in (20, 200, 600):
                write_cell(path, sim, real, seed, alone(real) + (top - alone(real)) * sim / (sim + 5))
    for run in path.iterdir():
        (run / "config.yaml").write_text(yaml.safe_dump(STEPS))
    claim = {"sweep": "sizes", "measure": "equivalent", "claimed": "within", "ends": [2, 3], "margin": 1.5}
    declare(tmp_path, {**claim, "compare": [{"published": [2, 3]}]})
    stated = read_claims(tmp_path / "claims.yaml")
    (found,) = find(stated, tmp_path)
    curves, real_only = plateau.read(Sweep(path), Metric("rollout", "real", "success_90"))
    for finding, curve in zip(found, curves, strict=True):
        assert finding.compared == f"{curve.real} real demonstrations" and finding.trainings == 2
        assert finding.single == plateau.row(curve, real_only)["equivalent ratio"]
        assert finding.estimate.low <= finding.single.low and finding.estimate.high > finding.single.high
        assert finding.verdict == verdict(finding.estimate, stated[0].tests[0].rule)
    declare(tmp_path, {**claim, "compare": [{}]}, **{"trainer.max_steps": 1})
    (earlier,) = find(read_claims(tmp_path / "claims.yaml"), tmp_path)
    for now, before in zip(found, earlier, strict=True):
        assert before.earlier == pytest.approx(now.estimate.value, rel=0.5) and before.verdict == NOT_YET
    for run in path.glob("sim=[26]00,real=20,*"):
        shutil.rmtree(run)
    (some,) = find(stated, tmp_path)
    assert [f.compared for f in some] == [f.compared for f in found], "too few sizes, and not dropped"
    assert some[0].estimate == some[0].single and some[1].verdict == NOT_YET
    assert over_all(stated[0], [some[1], replace(some[0], estimate=Interval(2.5, 2.0, 3.0))]) == UNDECIDED
    for run in path.glob("sim=0,*"):
        shutil.rmtree(run)
    assert [f.verdict for f in find(stated, tmp_path)[0]] == [NOT_YET] * 2


def test_ratios_of_motion_hold_at_once_and_are_of_successes(tmp_path):
    """Rollouts of `smooth` have half the acceleration of `rough` in the same trials, of `same` as much."""
    rng, rows, runs = numpy_rng(0, "motion of claims"), [], []
    hard = np.exp(rng.normal(0, 0.5, 60))
    for arm, factor in (("rough", 1.0), ("smooth", 0.5), ("same", 1.0)):
        for seed in range(3):
            moved = factor * hard * np.exp(rng.normal(0, 0.05) + rng.normal(0, 0.2, 60))
            success = rng.random(60) < 0.9
            run = f"arm={arm},seed={seed}"
            trials = {"run": run, "world": "maze", "seed": range(60), "score": success * 1.0, MOVED: 1}
            trials |= {"success": success * 1.0, f"{PATH}acceleration": np.where(success, moved, np.nan)}
            rows.append(pd.DataFrame(trials))
            found = {"success": success.mean(), "score": success.mean(), "success_count": success.sum()}
            found = {f"rollout/maze/{name}": value for name, value in found.items()}
            median = np.median(moved[success])
            runs.append({"run": run, "missing": "", "arm": arm, "seed": seed, **found})
            runs[-1]["motion/maze/acceleration"] = median
    (tmp_path / "ways").mkdir()
    kept.write(tmp_path / "ways", pd.concat(rows), pd.DataFrame(runs), {})
    pd.DataFrame(runs).to_csv(tmp_path / "ways/results.csv", index=False)
    (tmp_path / "ways/config.yaml").write_text(yaml.safe_dump(STEPS))
    motion = {"measure": "acceleration", "claimed": "below", "over": "rough", "margin": 0.25}
    compared = [{"arm": "smooth", **motion}, {"arm": "same", **motion}]
    compared += [{"arm": "smooth", "minus": "rough", "claimed": "not below", "margin": 0.3}]
    declare(tmp_path, {"compare": compared, "published": 0.5})
    ((smooth, same, success),) = find(read_claims(tmp_path / "claims.yaml"), tmp_path)
    assert (smooth.verdict, same.verdict, success.verdict) == (CONFIRMED, REFUTED, CONFIRMED)
    assert smooth.single.low < 0.5 < smooth.single.high < 0.6 and 1.1 < smooth.detectable < 1.5
    sweep = Sweep(tmp_path / "ways")
    arms = {arm.label: arm.runs for arm in sweep.arms()}
    metric = Metric("motion", "maze", "acceleration")
    for level, found in ((0.95, smooth.single), (0.975, smooth.estimate)):
        assert found == sweep.ratio(arms["smooth"], arms["rough"], metric, level)
    assert smooth.estimate.high > smooth.single.high


def test_probes_of_one_sweep_hold_at_once():
    claim = next(c for c in read_claims(RESULTS / "claims.yaml") if c.tests[0].measure.startswith("probe"))
    (found,) = find([claim], RESULTS)
    sweep = Sweep(RESULTS / claim.tests[0].sweep)
    (arm,) = [arm for arm in sweep.arms() if arm.label == claim.tests[0].arm]
    for finding in found:
        metric = Metric.parse(finding.test.measure)
        assert finding.single == sweep.estimate(arm.runs, metric).interval
        assert finding.estimate == sweep.estimate(arm.runs, metric, 1 - 0.05 / len(found)).interval
        assert finding.estimate.low < finding.single.low


def test_the_recorded_claims_are_what_the_recorded_sweeps_say(tmp_path):
    report(RESULTS, tmp_path)
    for name in ("claims.md", "claims.csv"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text(), "make recorded"
