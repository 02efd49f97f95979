"""What was recorded before something moved is read as if it had been recorded today."""

import inspect
from pathlib import Path

import pytest
import torch
import yaml

from align import networks
from align.checkpoints.description import FIRST, build
from align.cli import main
from align.diffusion.schedule import NoiseSchedule
from align.errors import InputError
from align.networks import Denoiser, Encoder
from align.policy import DiffusionPolicy
from align.run.config import run_config
from align.run.moved import current, original, renamed

OLD = Path(__file__).parent / "old_policy.ckpt"
"""The policy of a checkpoint that `align fit` wrote before run directories had a package of their own."""


def test_names_and_arguments_are_replaced_wherever_they_are():
    old = {
        "a": [{"class_path": "align.alignment.UnbalancedOT", "init_args": {"marginal": 0.2, "epsilon": 1}}]
    }
    assert renamed(old)["a"][0]["init_args"] == {"reg_m": 0.2, "epsilon": 1}
    assert renamed({"make": "analysis.annotation.annotate", "n": 3, "marginal": 1})["marginal"] == 1
    assert original(current("analysis.annotation.annotate")) == "analysis.annotation.annotate"
    assert build({"class_path": "align.alignment.UnbalancedOT", "init_args": {"marginal": 0.2}}).reg_m == 0.2


def test_an_old_configuration_trains_and_goes_on_as_the_same_run(write_config, capsys):
    alignment = {"class_path": "align.alignment.UnbalancedOT", "init_args": {"marginal": 0.25}}
    path = write_config(**{"model.alignment": alignment, "trainer.max_steps": 2})
    assert main(["fit", "--config", path]) == 0
    run = Path(yaml.safe_load(Path(path).read_text())["run"])
    config = run_config(run)
    assert config["model"]["alignment"]["init_args"]["reg_m"] == 0.25
    arguments = config["model"]["alignment"]["init_args"]
    arguments["marginal"] = arguments.pop("reg_m")
    (run / "config.yaml").write_text(yaml.safe_dump(config))  # as it would have been recorded
    capsys.readouterr()
    assert main(["fit", "--config", path]) == 0
    assert "finished already" in capsys.readouterr().out


def test_an_old_checkpoint_says_what_it_did():
    policy = DiffusionPolicy.from_checkpoint(OLD)
    x = torch.linspace(-1, 1, policy.horizon * policy.action_dim).view(1, policy.horizon, -1)
    image = torch.arange(2 * 3 * 16 * 16).view(1, 2, 3, 16, 16).remainder(256).to(torch.uint8)
    agent_pos = torch.full((1, 2, 2), 250.0)
    denoised = policy.denoiser(x, torch.tensor([10]), policy.encode(image, agent_pos).condition)
    found = policy.normalizer.unnormalize_action(denoised, agent_pos)[0, [0, -1]]
    of_the_code_that_wrote_it = torch.tensor([[249.837906, 249.677917], [243.247055, 254.277359]])
    torch.testing.assert_close(found, of_the_code_that_wrote_it, rtol=1e-6, atol=1e-3)


def test_what_a_checkpoint_has_always_said_is_not_taken_from_defaults(tmp_path):
    checkpoint = torch.load(OLD, weights_only=True)
    policy = checkpoint["policy"]
    parts = [policy, *(policy["init_args"][name] for name in ("encoder", "denoiser", "schedule"))]
    for part in parts:
        arguments, always = part["init_args"], FIRST[part["class_path"]]
        assert set(always) <= set(arguments)
        for name in always:
            part["init_args"] = {key: value for key, value in arguments.items() if key != name}
            with pytest.raises(InputError, match=f"init_args of {part['class_path']}: no {name}; expected "):
                build(policy)
        part["init_args"] = {name: arguments[name] for name in always}  # what came later has its default
        build(policy)
        part["init_args"] = arguments
    del policy["init_args"]["schedule"]["init_args"]["train_steps"]
    torch.save(checkpoint, tmp_path / "last.ckpt")
    with pytest.raises(InputError, match=r"checkpoint='.*last.ckpt': .*NoiseSchedule: no train_steps; exp.*"):
        DiffusionPolicy.from_checkpoint(tmp_path / "last.ckpt")


def test_of_each_part_of_a_policy_it_is_known_what_its_descriptions_always_said():
    shipped = [getattr(networks, name) for name in networks.__all__]
    of_policies = [kind for kind in shipped if {Encoder, Denoiser} & set(kind.__mro__[1:])]
    for kind in (DiffusionPolicy, NoiseSchedule, *of_policies):
        path = f"{kind.__module__}.{kind.__qualname__}"
        assert set(FIRST[path]) <= set(inspect.signature(kind).parameters), path
    assert len(FIRST) == 2 + len(of_policies)


@pytest.mark.parametrize("path", sorted(Path("results").glob("*/config.yaml")), ids=lambda p: p.parent.name)
def test_recorded_configurations_are_options_still(path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["fit", "--config", str(path), "--print_config"])
    assert done.value.code == 0
    assert (
        yaml.safe_load(capsys.readouterr().out)["seed_everything"]
        == run_config(path.parent)["seed_everything"]
    )
