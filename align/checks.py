"""Which arguments of training do not go together."""

from difflib import get_close_matches

from align.alignment.adversarial import DANN
from align.alignment.auxiliary import Auxiliary
from align.alignment.objective import Objective
from align.alignment.weighting import Fixed, Weighting
from align.errors import InputError, check_numbers
from align.policy import DiffusionPolicy
from align.site_names import SITES


def as_weighting(weighting: Weighting | None, alignment_weight: float) -> Weighting:
    """What sets λ: the weighting that is given, or λ itself.

    Raises:
        InputError: Both are given, or it is none.
    """
    if weighting is None:
        return Fixed(alignment_weight)
    if not isinstance(weighting, Weighting):
        raise InputError(
            f"weighting={type(weighting).__name__}: expected a subclass of align.alignment.Weighting"
        )
    if alignment_weight != 0:
        raise InputError(
            f"alignment_weight={alignment_weight}: {type(weighting).__name__} sets λ; expected weighting or "
            "alignment_weight"
        )
    return weighting


def setting(weighting: Weighting) -> str:
    """The option that sets λ, for messages."""
    if isinstance(weighting, Fixed):
        return f"alignment_weight={weighting.value:g}"
    return f"weighting={type(weighting).__name__}"


def check_training(
    policy: DiffusionPolicy,
    alignment: Objective,
    weighting: Weighting,
    site: str,
    probe_step: int,
    label_dropout: float,
    auxiliary: Auxiliary | None = None,
    encoder_learning_rate: float | None = None,
) -> None:
    """Refuse what cannot be trained; the arguments are those of `CotrainingModule`, with what sets λ.

    Raises:
        InputError: A value is out of range, or the policy does not go with it.
    """
    if not isinstance(alignment, Objective):
        raise InputError(
            f"alignment={type(alignment).__name__}: expected a subclass of align.alignment.Objective"
        )
    if weighting.measures and isinstance(alignment, DANN) and (ramp := alignment.ramp):
        raise InputError(
            f"alignment.ramp={ramp}: {setting(weighting)} holds the gradient's share however much of it is "
            "reversed, so that nothing would rise; expected alignment.init_args.ramp=0"
        )
    if encoder_learning_rate is not None and policy.encoder is None:
        raise InputError(
            f"encoder_learning_rate={encoder_learning_rate}: a policy without images has no encoder; "
            "expected null"
        )
    known = (*SITES, *policy.image_sites)
    if site not in known:
        near = get_close_matches(site, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"site={site!r}: expected one of {', '.join(known)}{hint}")
    if policy.n_image_steps == 0 and site == "image":
        raise InputError(
            f"site={site!r}: a policy without images (n_image_steps=0) has none; "
            "expected observation or denoiser"
        )
    if policy.n_image_steps == 0 and site == "observation" and weighting.aligns:
        raise InputError(
            f"{setting(weighting)}: the observation of a policy without images has no "
            "weights to train; expected site=denoiser, or alignment_weight=0 to measure only"
        )
    if policy.n_image_steps == 0 and site == "observation" and auxiliary is not None:
        raise InputError(
            "auxiliary: the observation of a policy without images has no weights to train; "
            "expected site=denoiser, or auxiliary=null"
        )
    check_numbers(f"[0, {policy.schedule.train_steps - 1}]", whole=True, probe_step=probe_step)
    if site == "denoiser" and policy.domain_conditioning:
        raise InputError(
            f"site={site!r}: with policy.domain_conditioning that layer holds the domain itself; "
            "expected image or observation"
        )
    if label_dropout > 0 and not policy.domain_conditioning:
        raise InputError(f"label_dropout={label_dropout}: needs policy.domain_conditioning=true")
    if policy.guidance_weight > 0 and label_dropout == 0:
        raise InputError(
            f"label_dropout=0: policy.guidance_weight={policy.guidance_weight} needs the domain withheld "
            "at times in training, e.g. 0.1"
        )


def check_alignment(
    alignment: Objective, weighting: Weighting, alpha: float, batch_size: int, quota: int | None
) -> str | None:
    """Refuse an alignment that would never see enough samples of a domain.

    Args:
        alignment: The objective.
        weighting: What sets λ.
        alpha: Weight of the real loss.
        batch_size: Windows a batch, B.
        quota: Real windows among them; `None` where that differs from batch to batch.

    Returns:
        What to tell where a batch is meant to hold one domain alone, so that nothing is aligned.

    Raises:
        InputError: A batch holds both domains, but fewer of one than the objective needs.
    """
    if not weighting.aligns or quota is None:
        return None
    fewest, needed = min(quota, batch_size - quota), alignment.min_samples
    if fewest * (1 + alignment.memory) >= needed:
        return None
    given = f"{setting(weighting)}: with alpha={alpha:.3g} and batch_size={batch_size} a batch"
    if fewest == 0:
        return f"{given} holds one domain alone, so nothing is aligned"
    raise InputError(
        f"{given} holds {batch_size - quota} sim and {quota} real windows, and {type(alignment).__name__} "
        f"needs {needed} of each; expected data.balanced=true, a larger data.batch_size or no alignment"
    )


def check_image_fit(fit: str, size: object) -> str | None:
    """What to tell where images are to be fitted, and to no size.

    Args:
        fit: `data.image_fit`.
        size: `data.image_size`.
    """
    if fit == "stretch" or size is not None:
        return None
    return f"warning: data.image_fit={fit}: images keep their size; expected data.image_size, too"


def check_warmup(weighting: Weighting, warmup: int, steps: int) -> str | None:
    """What to tell where training ends before λ has risen to what it is to be.

    Args:
        weighting: What sets λ.
        warmup: Steps over which it rises.
        steps: Those of training.
    """
    if not weighting.aligns or warmup <= steps:
        return None
    return (
        f"warning: alignment_warmup={warmup}: training ends at step {steps}, and λ comes to "
        f"{100 * (steps - 1) / warmup:.3g} % of what {setting(weighting)} says; expected a shorter warm-up"
    )


def check_auxiliary(
    auxiliary: Auxiliary | None, alpha: float, batch_size: int, quota: int | None
) -> str | None:
    """What to tell where an auxiliary loss never sees a sim sample; arguments as in `check_alignment`."""
    if auxiliary is None or auxiliary.weight == 0 or quota is None or quota < batch_size:
        return None
    return (
        f"auxiliary.weight={auxiliary.weight:g}: with alpha={alpha:.3g} a batch holds real windows alone, "
        "so nothing is read"
    )
