"""Optimal transport between sim and real samples: Sinkhorn divergence and unbalanced transport.

Plans minimise ⟨π, C⟩ + ε KL(π | a ⊗ b) with uniform weights a and b, and marginals that are given or, in
the unbalanced case, penalised by ρ KL(π 1 | a) + ρ KL(πᵀ 1 | b). Costs are in units of the mean pooled
squared distance, so that ε, ρ and λ mean the same whatever the embedding's scale. The gradient passes
through that scale: were it held, finite samples, which are never at distance 0, would pull every embedding
into one point.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from align.alignment.joint_mmd import joined
from align.alignment.mmd import centred, squared_distances
from align.alignment.objective import Objective, Samples
from align.errors import SIZE, InputError, check_numbers

CHECK_EVERY = 10  # iterations between two looks at the convergence


@torch.no_grad()
def sinkhorn(
    cost: Tensor, epsilon: float, reg_m: float = math.inf, iterations: int = 100, tolerance: float = 1e-3
) -> tuple[Tensor, Tensor]:
    """Dual potentials of the plan, by Sinkhorn's iterations in the log domain (Chizat et al. 2018).

    The plan is π_ij = exp((f_i + g_j − C_ij) / ε) / (n m).

    Args:
        cost: (n, m) costs C.
        epsilon: Entropic regularisation ε > 0, in units of the cost.
        reg_m: Penalty ρ on the marginals; infinite keeps them.
        iterations: At most so many updates of both potentials.
        tolerance: Stop when no potential moves by more than this times ε.

    Returns:
        f (n,) and g (m,).
    """
    n, m = cost.shape
    damping = 1.0 if math.isinf(reg_m) else reg_m / (reg_m + epsilon)
    f, g = cost.new_zeros(n), cost.new_zeros(m)
    scaled = cost / epsilon
    for i in range(iterations):
        previous = f
        f = damping * epsilon * (math.log(m) - torch.logsumexp(g / epsilon - scaled, dim=1))
        g = damping * epsilon * (math.log(n) - torch.logsumexp((f / epsilon)[:, None] - scaled, dim=0))
        if (i + 1) % CHECK_EVERY == 0 and (f - previous).abs().max() < tolerance * epsilon:
            break
    return f, g


def plan(cost: Tensor, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """The plan (n, m) of potentials, without gradient; see `sinkhorn`."""
    return torch.exp((f[:, None] + g - cost.detach()) / epsilon) / cost.numel()


def transport_cost(cost: Tensor, epsilon: float, iterations: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """The regularised cost of balanced transport, and how far its plan's rows are from their marginal.

    The gradient is that of ⟨π, C⟩ with π held, which at the optimum is the whole one (envelope theorem).

    Returns:
        Scalar ⟨f, a⟩ + ⟨g, b⟩, and Σ_i |Σ_j π_ij − 1/n|.
    """
    f, g = sinkhorn(cost, epsilon, math.inf, iterations, tolerance)
    pi = plan(cost, f, g, epsilon)
    error = (pi.sum(1) - 1 / len(f)).abs().sum()
    moving = (pi * cost).sum()
    return f.mean() + g.mean() + moving - moving.detach(), error


def pooled_scale(d_xx: Tensor, d_yy: Tensor, d_xy: Tensor) -> Tensor:
    """The mean squared distance over all pairs of distinct pooled samples; scalar, with gradient."""
    n, m = d_xy.shape
    total = d_xx.sum() + d_yy.sum() + 2 * d_xy.sum()
    return (total / ((n + m) * (n + m - 1))).clamp_min(torch.finfo(total.dtype).tiny)


class SinkhornDivergence(Objective):
    """S(P, Q) = OT_ε(P, Q) − ½ OT_ε(P, P) − ½ OT_ε(Q, Q) (Feydy et al. 2019, arXiv 1810.08278).

    With the cost ‖x − y‖² / scale; see `pooled_scale`. It is zero for equal samples and, for ε > 0, positive
    otherwise; for two samples of one distribution it is positive by their sampling error.

    Args:
        epsilon: Regularisation ε, as a fraction of the scale; small is closer to optimal transport and needs
            more iterations, large is closer to a distance of means.
        iterations: At most so many Sinkhorn iterations.
        tolerance: Where they stop; see `sinkhorn`.
        memory: As in `Objective`.
    """

    def __init__(self, epsilon: float = 0.1, iterations: int = 100, tolerance: float = 1e-3, memory: int = 0):
        super().__init__(memory)
        check_numbers("(0, 1e6]", epsilon=epsilon, tolerance=tolerance)
        check_numbers(SIZE, whole=True, iterations=iterations)
        self.epsilon, self.iterations, self.tolerance = epsilon, iterations, tolerance

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """Of embeddings (n, D) and (m, D); scalar."""
        x, y = centred(sim.embedding, real.embedding)
        d_xx, d_yy, d_xy = squared_distances(x, x), squared_distances(y, y), squared_distances(x, y)
        scale = pooled_scale(d_xx, d_yy, d_xy)
        terms = [
            transport_cost(d / scale, self.epsilon, self.iterations, self.tolerance)
            for d in (d_xy, d_xx, d_yy)
        ]
        self.logs = {"marginal_error": terms[0][1], "scale": scale.detach()}
        return terms[0][0] - 0.5 * (terms[1][0] + terms[2][0])


class UnbalancedOT(Objective):
    """Unbalanced transport on the joint cost of OT-Sim2Real (arXiv 2509.18631).

    The cost is M = w_z ‖z_s − z_t‖² / scale_z + w_y ‖y_s − y_t‖² / scale_y, with y the actions or poses; the
    plan π is found on the detached cost, and the loss Σ π M moves the embeddings along it. Samples without a
    partner may stay unmatched, so that it stays meaningful where sim covers more than real does. It is not
    zero for equal distributions.

    Args:
        of: What y is: the "action" sequence, or "agent_pos", the newest proprioception.
        embedding_weight: w_z.
        of_weight: w_y; 0 leaves plain transport between embeddings.
        epsilon: Entropic regularisation, in units of the cost.
        reg_m: Penalty ρ on the marginals; small leaves more unmatched.
        iterations: At most so many Sinkhorn iterations.
        tolerance: Where they stop; see `sinkhorn`.
        memory: As in `Objective`.
    """

    def __init__(
        self,
        of: Literal["action", "agent_pos"] = "action",
        embedding_weight: float = 1.0,
        of_weight: float = 1.0,
        epsilon: float = 0.05,
        reg_m: float = 0.5,
        iterations: int = 100,
        tolerance: float = 1e-3,
        memory: int = 0,
    ):
        super().__init__(memory)
        check_numbers(
            "(0, 1e6]", epsilon=epsilon, reg_m=reg_m, tolerance=tolerance, embedding_weight=embedding_weight
        )
        check_numbers("[0, 1e6]", of_weight=of_weight)
        check_numbers(SIZE, whole=True, iterations=iterations)
        if of not in ("action", "agent_pos"):
            raise InputError(f"of={of!r}: expected 'action' or 'agent_pos'")
        self.of, self.embedding_weight, self.of_weight = of, embedding_weight, of_weight
        self.epsilon, self.reg_m = epsilon, reg_m
        self.iterations, self.tolerance = iterations, tolerance

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """Σ π M; scalar, with gradient through the embeddings."""
        cost = self.embedding_weight * _scaled(sim.embedding, real.embedding)
        if self.of_weight:
            cost = cost + self.of_weight * _scaled(joined(sim, self.of), joined(real, self.of))
        f, g = sinkhorn(cost.detach(), self.epsilon, self.reg_m, self.iterations, self.tolerance)
        pi = plan(cost, f, g, self.epsilon)
        self.logs = {"transported_mass": pi.sum()}
        return (pi * cost).sum()


def _scaled(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (n, m) in units of `pooled_scale`."""
    x, y = centred(x, y)
    d_xy = squared_distances(x, y)
    return d_xy / pooled_scale(squared_distances(x, x), squared_distances(y, y), d_xy)
