"""What every objective has in common."""

import io

import pytest
import torch
from objectives import OBJECTIVES, make_objective, make_samples

from align.alignment import CORAL, MomentMatching, Samples, SinkhornDivergence, UnbalancedOT
from align.checkpoints.description import build, describe
from align.errors import InputError

ADVERSARIAL = {"dann", "dann-spectral", "adda", "adda-penalty"}
UNBIASED = {"mmd", "mmd-linear", "laplacian", "energy"}
ZERO_AT_EQUAL_SAMPLES = {"mmd-biased", "coral", "moments", "sinkhorn"}

every = pytest.mark.parametrize("name", OBJECTIVES)


def _with_gradient(samples: Samples) -> Samples:
    return samples._replace(embedding=samples.embedding.clone().requires_grad_())


def _distance(name: str, sim: Samples, real: Samples, **arguments) -> torch.Tensor:
    objective = make_objective(name, **arguments)
    return objective.eval()(sim, real)


def test_the_old_name_of_min_samples_is_refused_and_not_ignored():
    class Old(CORAL):
        least = 5

    with pytest.raises(InputError, match=r"^Old\.least: is called min_samples"):
        Old()


@every
def test_scalar_in_fp32_under_autocast(name):
    sim, real = make_samples(7, 0), make_samples(5, 1, shift=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        value = _distance(name, sim, real)
    assert value.dtype == torch.float32 and value.shape == ()
    assert float(value.detach()) == pytest.approx(float(_distance(name, sim, real).detach()), abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"mmd-linear"}))
def test_order_within_a_domain_does_not_matter_unless_samples_are_paired_in_it(name):
    sim, real = make_samples(8, 0), make_samples(6, 1, shift=0.5)
    g = torch.Generator().manual_seed(2)
    orders = [torch.randperm(n, generator=g) for n in (8, 6)]
    shuffled = [x.each(lambda v, o=o: v[o]) for x, o in zip((sim, real), orders, strict=True)]
    expected = float(_distance(name, sim, real).detach())
    assert float(_distance(name, *shuffled).detach()) == pytest.approx(expected, abs=1e-5)


@every
def test_gradient_to_both_domains(name):
    sim, real = (_with_gradient(make_samples(n, n, shift=n / 10)) for n in (9, 6))
    objective = make_objective(name)
    objective(make_samples(9, 1), make_samples(6, 2))  # a reversal that ramps up starts at zero
    objective(sim, real).backward()
    for samples in (sim, real):
        assert samples.embedding.grad.isfinite().all() and samples.embedding.grad.abs().max() > 1e-6


@every
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_samples_are_a_differentiable_zero(name, n):
    sim, real = _with_gradient(make_samples(n, 0)), _with_gradient(make_samples(4, 1))
    objective = make_objective(name)
    value = objective(sim, real)
    value.backward()
    assert value.isfinite() and sim.embedding.grad is not None
    assert n >= objective.min_samples or value.item() == 0


@every
@pytest.mark.parametrize(("field", "of"), [("embedding", 0), ("action", 1)])
def test_what_is_not_finite_is_named(name, field, of):
    samples = [make_samples(4, 0), make_samples(4, 1)]
    getattr(samples[of], field)[2, 1] = float("nan")
    with pytest.raises(InputError, match=f"{field} of {('sim', 'real')[of]}: NaN or infinity in 1 of 4"):
        make_objective(name)(*samples)


@pytest.mark.parametrize("name", sorted(UNBIASED))
def test_unbiased_means_zero_on_average_under_equal_distributions(name):
    """With a fixed bandwidth: one from the data is a function of all samples."""
    arguments = {"bandwidth": 5.0}
    values = torch.stack(
        [
            _distance(name, make_samples(8, 2 * s), make_samples(12, 2 * s + 1), **arguments)
            for s in range(400)
        ]
    )
    assert abs(values.mean()) < 3.5 * values.std() / 400**0.5
    assert (values < 0).any()


@pytest.mark.parametrize("name", sorted(ZERO_AT_EQUAL_SAMPLES))
def test_zero_at_equal_samples(name):
    sim = make_samples(8, 0)
    assert float(_distance(name, sim, sim)) == pytest.approx(0, abs=1e-5)
    assert float(_distance(name, sim, make_samples(8, 1, shift=0.7))) > 1e-3


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - ADVERSARIAL - {"unbalanced-ot", "coral"}))
def test_grows_with_the_shift(name):
    values = [
        float(_distance(name, make_samples(60, 0), make_samples(60, 1, shift=s))) for s in (0, 0.7, 1.5)
    ]
    assert values[0] < values[1] < values[2]


@every
def test_resumes_as_it_would_have_gone_on(name):
    """Memory, bandwidths, the classifier and its optimiser are state, kept as plain data."""

    def step(objective, k):
        sim, real = (_with_gradient(make_samples(n, 10 * k + n, shift=n / 10)) for n in (6, 4))
        objective.update(sim.each(torch.Tensor.detach), real.each(torch.Tensor.detach))
        value = objective(sim, real)
        value.backward()
        return value.detach(), sim.embedding.grad

    whole = make_objective(name, memory=2)
    for k in range(3):
        step(whole, k)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = make_objective(name, memory=2)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for k in range(3, 6):
        for ours, theirs in zip(step(resumed, k), step(whole, k), strict=True):
            assert torch.equal(ours, theirs)


@every
def test_is_described_by_its_arguments(name):
    objective = make_objective(name)
    again = build(describe(objective))
    assert type(again) is type(objective) and describe(again) == describe(objective)


@pytest.mark.parametrize(
    ("name", "arguments", "argument"),
    [
        ("mmd", {"kernel": "gauss"}, "kernel"),
        ("mmd", {"estimator": "fast"}, "estimator"),
        ("joint-mmd", {"of": "image"}, "of"),
        ("joint-mmd", {"kernel": "energy"}, "kernel"),
        ("joint-mmd", {"of_bandwidth": 0}, "of_bandwidth"),
        ("sinkhorn", {"epsilon": 0}, "epsilon"),
        ("unbalanced-ot", {"reg_m": -1}, "reg_m"),
        ("unbalanced-ot", {"of": "pose"}, "of"),
        ("unbalanced-ot", {"embedding_weight": 0}, "embedding_weight"),
        ("adda", {"moved": "none"}, "moved"),
        ("adda-penalty", {"learning_rate": 0}, "learning_rate"),
        ("dann-spectral", {"widths": ()}, "widths"),
        ("coral", {"memory": -1}, "memory"),
    ],
)
def test_bad_arguments(name, arguments, argument):
    kind = type(make_objective(name))
    with pytest.raises(InputError, match=f"^{argument}="):
        kind(**arguments)


@pytest.mark.parametrize(
    "objective",
    [SinkhornDivergence(), UnbalancedOT(), CORAL(scaled=True), MomentMatching(scaled=True)],
    ids=lambda o: type(o).__name__,
)
def test_scale_free_objectives_do_not_pull_the_embedding_into_a_point(objective):
    """Equal under scaling, so that the gradient has no part along it (Euler's theorem)."""
    sim, real = make_samples(12, 0), make_samples(9, 1, shift=0.7)
    scaled = [x._replace(embedding=0.01 * x.embedding) for x in (sim, real)]
    assert float(objective(*scaled)) == pytest.approx(float(objective(sim, real)), rel=1e-3)
    z = [x.embedding.clone().requires_grad_() for x in (sim, real)]
    objective(*(x._replace(embedding=e) for x, e in zip((sim, real), z, strict=True))).backward()
    along = sum(float((e.grad * e.detach()).sum()) for e in z)
    size = sum(float(e.grad.norm() * e.detach().norm()) for e in z)
    assert size > 1e-3 and abs(along) < 1e-3 * size
