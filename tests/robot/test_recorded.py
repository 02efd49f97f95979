"""Plans that are replayed are those of `act`; on a CPU a function called anew plays the graph."""

from functools import partial

import numpy as np
import pytest
import torch

from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.networks import ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy
from align.robot import PolicyRunner
from align.robot.recorded import GRAPHS, RecordedAct


def make_policy(sampler="ddim", encoder=ConvEncoder, **options):
    torch.manual_seed(0)
    policy = DiffusionPolicy(
        encoder(8, width=16, blocks=1),
        lambda a, c: ConditionalMLP(a, c, width=16, blocks=1),
        NoiseSchedule(20, inference_steps=5, sampler=sampler),
        **options,
    )
    policy.normalizer.action_std.fill_(40)
    return policy.eval()


def inputs(seed, n=2):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (n, 2, 3, 16, 16), dtype=torch.uint8, generator=generator)
    seen = {"image": image, "agent_pos": torch.randn(n, 2, 2, generator=generator)}
    return seen, torch.randn(n, 16, 2, generator=generator)


class Graphs:
    """Plays the graph, and counts recordings and replays; a `stale` one does not see its inputs change."""

    def __init__(self, stale=False):
        self.stale, self.made, self.replayed = stale, 0, 0

    def __call__(self, function):
        self.made += 1
        known = (torch.zeros_like(function()[0]),) if self.stale else None

        def replay():
            self.replayed += 1
            return known or function()

        return replay


def test_plans_are_recorded_at_the_second_call_of_a_kind_and_then_replayed(capsys):
    policy, graphs = make_policy(domain_conditioning=True), Graphs()
    act = RecordedAct(policy, graphs)
    for seed in range(4):
        for domain, skip, n in (
            (Domain.REAL, 0, 2),
            (Domain.SIM, 0, 2),
            (Domain.REAL, 1, 2),
            (Domain.REAL, 0, 3),
        ):
            seen, noise = inputs(seed, n)
            kept = {key: x.clone() for key, x in seen.items()}
            expected = policy.act(seen, noise, domain=domain, skip=skip)
            assert torch.equal(act(seen, noise, None, domain, skip), expected)
            assert all(torch.equal(seen[key], kept[key]) for key in seen)
    assert graphs.made == 4 and graphs.replayed == 4 * 4, (
        "each kind: once as ever, tried twice, then by its graph"
    )
    seen, noise = inputs(9)
    first = act(seen, noise, None, Domain.REAL, 0)
    kept = first.clone()
    act(*inputs(8), None, Domain.REAL, 0)
    assert torch.equal(first, kept), "the next replay has overwritten it"
    policy.guide(1.0)
    for _ in range(3):
        assert torch.equal(act(seen, noise, None, Domain.REAL, 0), policy.act(seen, noise))
    assert graphs.made == GRAPHS == 4 and capsys.readouterr().out == ""


class Empty(Graphs):
    """As a graph of another GPU than the current one, of no kernels: it holds what was computed once."""

    def __call__(self, function):
        values = tuple(x.clone() for x in function())
        return lambda: values


class Frozen(Graphs):
    """As a graph, which reads what it reads where that was, and takes the steps that it took."""

    def __init__(self, policy):
        super().__init__()
        self.policy = policy

    def _set(self, weights, steps):
        before = [w.data for w in self.policy.parameters()], self.policy.schedule.inference_steps
        for weight, data in zip(self.policy.parameters(), weights, strict=True):
            weight.data = data
        self.policy.schedule.inference_steps = steps
        return before

    def __call__(self, function):
        self.made += 1
        recorded = [w.data for w in self.policy.parameters()], self.policy.schedule.inference_steps

        def replay():
            before = self._set(*recorded)
            try:
                return function()
            finally:
                self._set(*before)

        return replay


def test_a_policy_that_changed_is_recorded_anew():
    """Its weights lie elsewhere, or it takes other steps: a graph would go on as it was."""
    policy = make_policy()
    graphs = Frozen(policy)
    act, (seen, noise) = RecordedAct(policy, graphs), inputs(0)
    for change in (
        lambda: None,
        lambda: [w.__setattr__("data", 2 * w.data) for w in policy.denoiser.parameters()],
        lambda: setattr(policy.schedule, "inference_steps", 10),
    ):
        change()
        for _ in range(3):
            assert torch.equal(act(seen, noise, None, Domain.REAL, 0), policy.act(seen, noise))
    assert graphs.made == 3


class _Mine(ConvEncoder):
    pass


@pytest.mark.parametrize("policy", [{"sampler": "ddpm"}, {"encoder": _Mine}], ids=["ddpm", "one's own"])
def test_what_draws_or_may_do_more_than_compute_is_not_recorded(policy):
    policy, graphs = make_policy(**policy), Graphs()
    act = RecordedAct(policy, graphs)
    for seed in range(3):
        seen, noise = inputs(seed)
        own, again = ([torch.Generator().manual_seed(i) for i in range(2)] for _ in range(2))
        assert torch.equal(act(seen, noise, own, Domain.REAL, 0), policy.act(seen, noise, again))
    assert graphs.made == 0


def test_a_recording_that_fails_or_finds_other_actions_is_told_once_and_done_without(capsys):
    def refuse(function):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    for record, why in (
        (refuse, "operation not permitted when"),
        (Graphs(stale=True), "other actions"),
        (Empty(), "other actions"),
    ):
        policy = make_policy()
        act = RecordedAct(policy, record)
        for seed in range(5):
            seen, noise = inputs(seed)
            assert torch.equal(act(seen, noise, None, Domain.REAL, 0), policy.act(seen, noise))
        said = capsys.readouterr().out
        assert said.count("plans are no CUDA graph") == 1 and why in said


def test_on_a_cpu_nothing_is_recorded(monkeypatch):
    monkeypatch.setattr("align.step.graph.record", lambda *_: pytest.fail("recorded"))
    act = RecordedAct(make_policy())
    for seed in range(3):
        act(*inputs(seed), None, Domain.REAL, 0)


def _plain(policy, seen, noise, own, domain, skip):
    seen = {key: x.to(policy.device) for key, x in seen.items()}
    return policy.act(seen, noise.to(policy.device), own, domain, skip)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("ahead", [0, 2])
def test_actions_of_replayed_plans_are_those_of_the_kernels(ahead, capsys):
    policy = make_policy(n_action_steps=4, domain_conditioning=True).cuda()
    runner = PolicyRunner(policy, ahead)
    taken, act = [], runner._act
    for called in (act, partial(_plain, policy)):
        runner._act, rng = called, np.random.default_rng(0)
        runner.reset([3, 4])
        for _ in range(24):
            image = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
            taken.append(runner.select_action({"image": image, "agent_pos": rng.normal(size=(2, 2))}))
        runner.close()
    np.testing.assert_allclose(taken[:24], taken[24:], rtol=1e-3, atol=1e-3)
    assert any(act._replays.values()) and capsys.readouterr().out == ""
