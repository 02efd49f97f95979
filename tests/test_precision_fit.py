"""`align fit` in mixed precision: what it finds, how it steps, and which one a run keeps."""

import json
import shutil

import pytest
import torch
import yaml
from run_weights import last_weights

from align.cli import main


def test_mixed_precision_trains_about_as_full_precision_does(write_config, tmp_path):
    summaries = {}
    for precision in ("32-true", "bf16-mixed"):
        run = tmp_path / precision
        changes = {"run": str(run), "trainer.precision": precision, "model.alignment_weight": 0.5}
        assert main(["fit", "--config", write_config(precision, **changes)]) == 0
        summaries[precision] = json.loads((run / "summary.json").read_text())
    full, mixed = summaries.values()
    for measure in ("train_denoise", "train_alignment", "val_loss_real"):
        assert mixed[measure] != full[measure]
        assert mixed[measure] == pytest.approx(full[measure], rel=0.05, abs=0.02), measure


@pytest.mark.parametrize("clip", ["norm", "value"])
def test_bf16_steps_with_a_fused_optimiser_as_with_a_plain_one(clip, write_config, tmp_path, monkeypatch):
    from align import module

    found = {}
    for fused in (True, False):

        def adamw(*arguments, fused=fused, make=module.adamw):
            assert arguments[4]  # the module asks for a fused one
            return make(*arguments[:4], fused)

        with monkeypatch.context() as patch:
            patch.setattr(module, "adamw", adamw)
            changes = {"run": str(tmp_path / f"{fused}"), "trainer.precision": "bf16-mixed"}
            changes |= {"trainer.gradient_clip_algorithm": clip, "trainer.gradient_clip_val": 0.1}
            assert main(["fit", "--config", write_config(f"{fused}", **changes)]) == 0
        found[fused] = last_weights(tmp_path / f"{fused}")["policy.encoder.head.weight"]
    torch.testing.assert_close(found[True], found[False], rtol=1e-3, atol=1e-5)


def test_auto_precision_is_that_of_the_machine_where_the_run_began(write_config, tmp_path, monkeypatch):
    from align import fit

    def recorded():
        return yaml.safe_load((tmp_path / "run/config.yaml").read_text())["trainer"]["precision"]

    monkeypatch.setattr(fit, "resolve_precision", lambda accelerator: "bf16-mixed")
    assert main(["fit", "--config", write_config()]) == 0 and recorded() == "bf16-mixed"
    before = last_weights(tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints")
    (tmp_path / "run/summary.json").unlink()
    monkeypatch.setattr(fit, "resolve_precision", lambda accelerator: "32-true")
    assert main(["fit", "--config", write_config()]) == 0 and recorded() == "bf16-mixed"
    assert all(torch.equal(v, before[k]) for k, v in last_weights(tmp_path / "run").items())
