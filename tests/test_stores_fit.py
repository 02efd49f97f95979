"""Training on several stores of a domain: resumed to the bit, each named wherever it is measured."""

import json
import shutil

import numpy as np
from synthetic_runs import embeddings, write_run

from align.analysis.reports.probes.probe import load_embeddings
from align.analysis.reports.probes.store_probe import probe_stores
from align.cli import main


def test_a_run_of_several_stores_resumes_to_the_bit_and_names_them(
    make_store, write_config, resumed_equals_whole, tmp_path, capsys
):
    labs = [make_store("a", 6), make_store("b", 9, seed=3)]
    options = {"data.real": labs, "data.real_shares": [3, 1], "data.batch_size": 12}
    run = resumed_equals_whole(lambda name, **changes: write_config(name, **options, **changes))
    said = capsys.readouterr()
    assert "of a (52 windows, 75.0%, 5 a batch), b (91 windows, 25.0%, 1 a batch)" in said.out
    summary = json.loads((run / "summary.json").read_text())
    assert {"val_loss_sim", "val_loss_real", "val_loss_real.a", "val_loss_real.b"} <= set(summary)
    assert not any("sim." in name for name in summary), "of a single store there is nothing more to say"
    stored = np.load(run / "embeddings.npz")
    assert stored["store"].dtype.kind == "U" and set(stored["store"][stored["domain"] == 0]) == {"sim"}
    assert set(stored["store"][stored["domain"] == 1]) == {"a", "b"}
    real = stored["domain"] == 1
    assert np.array_equal(stored["store"][real] == "b", stored["episode"][real] >= 6)
    provenance = json.loads((run / "provenance.json").read_text())
    assert set(provenance["data"]) == {"sim", "real[0]", "real[1]"}
    # the same run goes on where its stores are found elsewhere, and not with others
    there = [shutil.move(path, tmp_path / f"moved-{n}.zarr") for n, path in enumerate(labs)]
    moved = write_config("moved", run=str(run), **options | {"data.real": [str(path) for path in there]})
    assert main(["fit", "--config", moved]) == 0 and "finished already" in capsys.readouterr().out
    swapped = [str(path) for path in reversed(there)]
    other = write_config("other", run=str(run), **options | {"data.real": swapped})
    assert main(["fit", "--config", other]) == 2 and "data.real" in capsys.readouterr().err


def test_stores_are_told_apart_by_a_probe_where_they_differ(tmp_path):
    arrays = embeddings(episodes=12, windows=6, dims=(8, 8, 8))
    lab = np.array(["a", "b"])[arrays["episode"] % 2]
    arrays["store"] = np.where(arrays["domain"] == 0, "sim", lab)
    arrays["image"][arrays["store"] == "b"] += 4
    arrays["untrained/image"] = arrays["observation"]

    def probed():
        np.savez(tmp_path / "embeddings.npz", **arrays)
        return probe_stores(tmp_path, load_embeddings(tmp_path))

    found = probed()
    assert list(found) == ["real"] and list(found["real"]) == ["a"], "of two, one is the mirror of the other"
    of = found["real"]["a"]
    assert of["image"]["auc"]["value"] > 0.95 and of["denoiser"]["auc"]["low"] < 0.5
    assert 0.1 < of["image"]["shuffled"]["auc"]["value"] < 0.9 and "untrained" in of["image"]
    arrays["store"][arrays["episode"] > 2] = "a"
    assert "1 held-out episodes of" in probed()["real"]["a"]["skipped"]
    del arrays["store"]
    assert probed() == {}, "of a run from before there were several"


def test_the_probe_of_stores_is_told(tmp_path, monkeypatch, capsys):
    from align.analysis import commands, probing

    auc = {"auc": {"value": 0.75, "low": 0.5, "high": 1.0}}
    stores = {"real": {"lab": {"image": auc}, "few": {"skipped": "1 held-out episodes of few"}}}
    monkeypatch.setattr(
        probing,
        "probe_run",
        lambda *_: {"sites": {"image": auc}, "stores": stores, "codecs": {"sim": [], "real": []}},
    )
    for name in ("measure_run", "task_probe_run", "write_run"):
        monkeypatch.setattr(probing, name, lambda *_: {})
    run = write_run(tmp_path / "run", {"lambda": 0.0}, episodes=4, windows=2)
    commands.probe(str(run))
    said = capsys.readouterr().out
    assert "lab of the real stores against the others: image AUC 0.750 [0.500, 1.000]" in said
    assert "few of the real stores against the others: 1 held-out episodes of few" in said
