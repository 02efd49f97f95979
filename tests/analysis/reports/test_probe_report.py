import json

import numpy as np
import pytest
from PIL import Image
from synthetic_runs import embeddings, write_run

from align.analysis.reports.probes.probe import load_embeddings, probe_run
from align.cli import main
from align.errors import InputError


def test_probe_run_writes_its_files_and_repeats_itself(tmp_path):
    run = write_run(tmp_path / "run", {"lambda": 0.0}, shift=4.0, episodes=4)
    result = probe_run(run)
    assert json.loads((run / "probe.json").read_text()) == result == probe_run(run)
    assert set(result["sites"]) == {"image", "observation", "denoiser"}
    site = result["sites"]["observation"]
    assert site["real"]["episodes"] == 4 and site["auc"]["low"] <= site["auc"]["value"] <= site["auc"]["high"]
    assert {"auc", "accuracy"} <= set(site["shuffled"]) & set(site["real_vs_real"])
    assert Image.open(run / "probe.png").size[0] == 2100  # both columns at 300 dpi
    assert (run / "probe_scores.csv").read_text().startswith("site,row,domain,episode,fold,score,probability")
    assert not [p for p in run.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a["image"].__setitem__((3, 0), np.nan), "image has NaN or infinity in 1 of 80 rows"),
        (lambda a: a.update(denoiser=a["denoiser"][:5]), "denoiser has 5 rows, expected 80"),
        (lambda a: a.pop("domain"), "expected domain, episode"),
        (lambda a: [a.pop(s) for s in ("image", "observation", "denoiser")], "one or more of"),
        (lambda a: a["episode"].__setitem__(slice(40, 60), 3), "image has 4 sim, 2 real episodes, expected"),
        (lambda a: a["domain"].__setitem__(slice(None), 0), "4 sim, 0 real"),
    ],
)
def test_bad_embeddings_are_refused_in_one_line(tmp_path, damage, message):
    arrays = embeddings(episodes=4, windows=10)
    damage(arrays)
    np.savez(tmp_path / "embeddings.npz", **arrays)
    with pytest.raises(InputError, match=message) as error:
        load_embeddings(tmp_path)
    assert "\n" not in str(error.value)


def test_a_run_without_embeddings_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"embeddings\.npz"):
        probe_run(tmp_path)


def test_any_classifier_of_scikit_learn_probes_a_run_by_its_class_path(tmp_path, capsys):
    run = write_run(tmp_path / "run", {"lambda": 0.0}, shift=9.0, episodes=4, windows=6)
    forest = ["--probe", "sklearn.ensemble.RandomForestClassifier", "--probe.n_estimators", "7"]
    assert main(["probe", str(run), *forest]) == 0
    assert "denoiser AUC" in capsys.readouterr().out
    found = json.loads((run / "probe.json").read_text())
    assert found["classifier"] == "RandomForestClassifier(n_estimators=7)"
    site = found["sites"]["denoiser"]
    assert site["classifier"]["auc"]["value"] > 0.8 and "shuffled" in site["classifier"]
    assert not {"auc", "mlp"} & set(site)
    geometry = json.loads((run / "geometry.json").read_text())
    assert geometry["sites"]["image"]["a_distance"] is None and "a_distance" in geometry["skipped"]
    machine = "{class_path: sklearn.svm.LinearSVC, init_args: {C: 0.1}}"
    assert main(["probe", str(run), "--probe", machine]) == 0
    assert json.loads((run / "probe.json").read_text())["classifier"] == "LinearSVC(C=0.1)"
    assert main(["probe", str(run), "--probe", "mlp", "--seed", "3"]) == 0
    found = json.loads((run / "probe.json").read_text())
    assert "classifier" not in found
    assert found["seed"] == json.loads((run / "geometry.json").read_text())["seed"] == 3


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["linaer"], "linear"),
        (["sklearn.linear_model.Ridge"], "ClassifierMixin"),
        (["sklearn.svm.NoSuchClassifier"], "NoSuchClassifier"),
        (["sklearn.svm.SVC", "--probe.nonsense", "1"], "nonsense"),
        (["sklearn.svm.SVC", "--probe.C", "-1.0"], "'C' parameter of SVC"),
    ],
)
def test_mistakes_in_the_classifier_are_one_line(tmp_path, capsys, options, word):
    run = write_run(tmp_path / "run", {"lambda": 0.0}, episodes=4, windows=2)
    assert main(["probe", str(run), "--probe", *options]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1 and not (run / "probe.json").exists()
