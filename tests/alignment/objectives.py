"""Every objective, and samples for them."""

import torch

from align.alignment import (
    ADDA,
    CORAL,
    DANN,
    MMD,
    JointMMD,
    MomentMatching,
    Objective,
    Samples,
    SinkhornDivergence,
    UnbalancedOT,
)

FEATURES = 5
OBJECTIVES = {
    "mmd": lambda **k: MMD(**k),
    "mmd-biased": lambda **k: MMD(unbiased=False, **k),
    "mmd-linear": lambda **k: MMD(estimator="linear", **k),
    "mmd-ema": lambda **k: MMD(bandwidth="ema", **k),
    "laplacian": lambda **k: MMD(kernel="laplacian", **k),
    "energy": lambda **k: MMD(kernel="energy", multipliers=(1.0,), **k),
    "joint-mmd": lambda **k: JointMMD(**k),
    "coral": lambda **k: CORAL(**k),
    "moments": lambda **k: MomentMatching(**k),
    "sinkhorn": lambda **k: SinkhornDivergence(**k),
    "unbalanced-ot": lambda **k: UnbalancedOT(**k),
    "dann": lambda **k: DANN(ramp=0, **k),
    "dann-spectral": lambda **k: DANN(ramp=20, spectral_norm=True, **k),
    "adda": lambda **k: ADDA(learning_rate=1e-2, **k),
    "adda-penalty": lambda **k: ADDA(discriminator_steps=2, gradient_penalty=1.0, **k),
}


def make_objective(name: str, **arguments) -> Objective:
    torch.manual_seed(0)
    objective = OBJECTIVES[name](**arguments)
    objective.build(FEATURES)
    return objective


def make_samples(n: int, seed: int, shift: float = 0.0, dtype=torch.float32) -> Samples:
    """n samples with embeddings, actions and positions; the embeddings moved by `shift`."""
    g = torch.Generator().manual_seed(seed)
    z, action, agent_pos = (torch.randn(n, d, generator=g, dtype=dtype) for d in (FEATURES, 4, 2))
    return Samples(z + shift, action, agent_pos)
