"""Common slips on the command line are one line that names the option, the value and what was expected."""

import pytest

from align.cli import main

FIT = ["fit", "--config", "own_data", "--run", "run"]
YAML = {
    "broken.yaml": "a: [1\n b: }",
    "list.yaml": "- 1\n",
    "misspelt.yaml": "model: {policy: {class_path: align.policy.DiffusionPolicy}, learning_rat: 1}\n",
}

POLICY = "model: {policy: {class_path: align.policy.DiffusionPolicy}}\n"
DENOISER = """model:
  policy:
    class_path: align.policy.DiffusionPolicy
    init_args: {denoiser: {class_path: align.networks.ConditionalMLP, init_args: %s}}
"""
YAML |= {
    "nullpolicy.yaml": DENOISER.replace("init_args: {", "init_args: {horizon: null, ", 1) % "{}",
    "null.yaml": DENOISER % "{step_features: null}",
    "noargs.yaml": DENOISER % "[]",
    "nomodel.yaml": "data: {alpha: 0.5}\n",
    "nullseed.yaml": f"{POLICY}data: {{seed: null}}\n",
    "nullpaired.yaml": f"{POLICY}embeddings: {{paired: null}}\n",
    "listed.yaml": f"{POLICY}checkpoint: [3]\n",
}

SLIPS = [
    (
        ["fit", "--config", "null.yaml"],
        ["null.yaml", "model.policy.denoiser.step_features=null: expected int"],
    ),
    (["fit", "--config", "nullpolicy.yaml"], ["nullpolicy.yaml", "model.policy.horizon=null: expected int"]),
    (["fit", "--config", "nullseed.yaml"], ["nullseed.yaml", "data.seed=null: expected int"]),
    (["fit", "--config", "nullpaired.yaml"], ["nullpaired.yaml", "embeddings.paired=null: expected int"]),
    (["fit", "--config", "noargs.yaml"], ["noargs.yaml", "denoiser=Namespace("]),
    (["fit", "--config", "nomodel.yaml"], ["nomodel.yaml", "required: model.policy"]),
    ([*FIT, "--model.alignment", "MDD"], ["model.alignment=MDD", "CORAL", "did you mean MMD?"]),
    ([*FIT, "--model.alignment.init_args.bandwith", "3"], ["model.alignment.bandwith", "mean bandwidth?"]),
    (
        [*FIT, "--model.alignment", "{class_path: align.alignment.MMD, init_args: {bandwidth: wide}}"],
        ["model.alignment.bandwidth=wide", "median, mean, ema or a number"],
    ),
    ([*FIT, "--model.polcy.x", "1"], ["--model.polcy.x", "did you mean --model.policy?"]),
    ([*FIT, "--model.policy.horizn", "3"], ["model.policy.horizn", "did you mean horizon?"]),
    ([*FIT, "--model.policy", "MyPolicy"], ["model.policy=MyPolicy", "import path"]),
    ([*FIT, "--model.policy.encoder", "ConvEncodr"], ["ConvEncodr", "ResNetEncoder", "mean ConvEncoder?"]),
    ([*FIT, "--model.policy.encoder", "nowhere.Mine"], ["nowhere.Mine: No module named 'nowhere'"]),
    ([*FIT, "--model.policy.encoder", "torch.nn.ReLUU"], ["'torch.nn' has no attribute 'ReLUU'"]),
    ([*FIT, "--model.policy.encoder.init_args.width", "wide"], ["encoder.width=wide", "a whole number"]),
    ([*FIT, "--model.policy.encoder.init_args.widht", "3"], ["encoder.widht", "did you mean width?"]),
    ([*FIT, "--model.policy.denoiser", "ConvEncoder"], ["denoiser=ConvEncoder", "ConditionalUnet1D"]),
    (
        [*FIT, "--model.policy.schedule.init_args.prediction", "noise"],
        ["prediction=noise", "epsilon"],
    ),
    ([*FIT, "--model.learning_rate", "fast"], ["model.learning_rate=fast: expected a number"]),
    ([*FIT, "--model.site", "imge"], ["site='imge'", "did you mean image?"]),
    ([*FIT, "--alpha", "0.5"], ["--alpha", "did you mean --data.alpha?"]),
    ([*FIT, "--data.alpha", "half"], ["data.alpha=half: expected a number"]),
    ([*FIT, "--data.pairing", "{kye: agent_pos}"], ["data.pairing.kye", "did you mean key?"]),
    ([*FIT, "--data.gating", "3"], ["data.gating=3", "a mapping of sigma_min"]),
    (["fit", "--config", "listed.yaml"], ["listed.yaml: checkpoint=[3]: expected a mapping of its options"]),
    ([*FIT, "--embeddings", "[]"], ["embeddings=[]: expected a mapping of its options (per_domain,"]),
    ([*FIT, "--embeddings", "{per_domain: x}"], ["error: embeddings.per_domain=x: expected a whole number"]),
    ([*FIT, "--trainer", "[]"], ["trainer=[]: expected a mapping of its options (max_steps,"]),
    ([*FIT, "--data.sim"], ["--data.sim: expected a value"]),
    ([*FIT, "--trainer.max_steps", "5.5"], ["trainer.max_steps=5.5: expected a whole number"]),
    ([*FIT, "--trainer.max_time", "3"], ["trainer.max_time='3': expected days:hours:minutes:seconds"]),
    ([*FIT, "--trainer.callbacks", "Rollots"], ["trainer.callbacks=Rollots", "Callback"]),
    ([*FIT, "stray"], ["'stray'", "begins with --"]),
    (["fit", "--config", "absent.yaml"], ["config='absent.yaml'", "no such file", "own_data"]),
    (
        ["fit", "--config", "pushing"],
        ["pushing.yaml", "align sweep lambda --base pushing"],
    ),
    (["fit", "--config", "lambda"], ["lambda.yaml", "a grid", "align sweep lambda"]),
    (["fit", "--config", "broken.yaml"], ["broken.yaml", "not YAML"]),
    (["fit", "--config", "list.yaml"], ["list.yaml", "expected a mapping"]),
    (["fit", "--config", "misspelt.yaml"], ["model.learning_rat", "did you mean --model.learning_rate?"]),
    (["probe", "r", "--probe", "svm"], ["probe=svm", "linear, mlp, both", "ClassifierMixin"]),
    (["sweep", "lambda", "--jobs", "many"], ["jobs=many: expected a whole number"]),
    (["sweep", "lambda", "--dry_runn"], ["did you mean --dry_run?"]),
    (["sweep", "lambda", "--cluster", "slrum"], ["cluster=slrum", "did you mean slurm?"]),
    (["sweep", "lambda", "--re", "x"], ["--re: fits several", "one of --report, --reference_seeds, --reuse"]),
    ([*FIT, "--trainer.max", "3"], ["--trainer.max: fits several", "max_epochs, --trainer.max_steps"]),
    (["sweep"], ["required", "grid (YAML file of the grid"]),
    (["sweep", "own"], ["own.yaml", "is a base of grids", "align sweep lambda --base own"]),
    *(
        (["sweep", "lambda", "--scale", "smoke", "--set", setting, *dry], words)
        for dry in ([], ["--dry-run"])
        for setting, words in {
            "alpha=0.3": ["lambda=0,seed=0: --alpha: there is no such option", "mean --data.alpha?"],
            "model.lr_warmpu=3": ["--model.lr_warmpu: there is no such option", "mean --model.lr_warmup?"],
            "trainer.max_steps=many": ["lambda=0,seed=0: trainer.max_steps='many': expected a number"],
            "model.lr_warmup=long": ["model.lr_warmup='long': expected a number"],
        }.items()
    ),
    (["demos", "--out", "x.zarr"], ["--out: is given by its place"]),
    (["rollout", "r", "--domain", "REEL"], ["domain=REEL", "did you mean REAL?"]),
    (["rollout", "r", "--trails", "3"], ["did you mean --trials?"]),
    (["rollout", "r", "--world", "{visaul: 1}"], ["world.visaul", "did you mean visual?"]),
    (["rollout", "r", "--world", "gym-push"], ["world=gym-push", "did you mean gym-pusht?"]),
    (["annotate", "--policy.horizon", "x"], ["policy.horizon=x: expected a whole number"]),
    (["annotate", "--model.policy.horizn", "8"], ["policy.horizn", "did you mean horizon?"]),
    (["keep", ".", "kept", "made"], ["sweep='.': holds no results.csv; expected a sweep with its report"]),
    (["mechanism", "."], ["path='.': no sweep there; expected a folder of sweeps"]),
    (["convert", "absent.zarr", "null.yaml"], ["out='null.yaml' exists; expected a path that is free"]),
    (["embed", "r", "--sites", "image"], ["sites=image: expected a list, as '[a, b]'"]),
]


@pytest.mark.parametrize(("arguments", "words"), SLIPS, ids=lambda part: " ".join(part)[-40:])
def test_a_slip_is_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in YAML.items():
        (tmp_path / name).write_text(text)
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("align: error: ") and line.count("\n") == 1 and len(line) < 400
    for word in words:
        assert word in line
    for theirs in ("Parser key", "Subtypes", "<class", "NestedArg", "Does not validate", "typing."):
        assert theirs not in line
    assert {path.name for path in tmp_path.iterdir()} == set(YAML)


@pytest.mark.parametrize("written", [["--domain", "real"], ["--domain=real"], ["--domain", "REAL"]])
def test_domains_are_named_in_capitals_or_not(written, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("align.commands.record", lambda *a: said.append(a) or iter([]))
    monkeypatch.setattr("align.commands.write_store", lambda out, e, attributes, o: said.append(attributes))
    monkeypatch.setattr("align.commands.with_progress", lambda episodes, n: episodes)
    with pytest.raises(AttributeError):  # nothing was recorded that could say what it rejected
        main(["demos", str(tmp_path / "x.zarr"), *written])
    assert said[1]["domain"] == "real"


def test_a_sweep_takes_each_of_its_settings(monkeypatch):
    seen = []
    monkeypatch.setattr("align.experiments.sweep.load_grid", lambda *given: seen.append(given) or 1 / 0)
    keys = "data.sim_keys={agent_pos: pose + gripper}"
    given = ["--set+=data.sim=a", f"--set+={keys}", "--set+", "data.rate_hz=20"]
    for settings in (given, ["--set", keys], ["--set=[data.sim=a, data.real=b]"]):
        with pytest.raises(ZeroDivisionError):
            main(["sweep", "lambda", *settings, "--jobs", "1"])
    assert [taken[3] for taken in seen] == [
        ["data.sim=a", keys, "data.rate_hz=20"],
        [keys],
        ["data.sim=a", "data.real=b"],
    ]
