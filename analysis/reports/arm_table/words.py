"""What the columns of an arm table are called, and what is said below it of those that it has."""

from collections.abc import Sequence

from align.analysis.figures.task_probe import FLOOR
from align.analysis.reports.sweep import Metric
from align.analysis.reports.sweep.run_table import TASKS
from align.analysis.statistics.intervals import minus

TASK_NAMES = dict(zip(TASKS, ("block pose sim→real", "block pose real→real"), strict=True))
PROBED = {"auc": "AUC", "mlp_auc": "MLP AUC", "mmd2": "MMD²"}
TOLD = {"action_error": "action error", "denoising_loss": "denoising loss"}
P_VALUE = str(Metric("geometry", "aligned", "mmd_p"))
WEIGHED = "summary/weighting"
MOTION = {"acceleration": "acceleration", "jerk": "jerk", "detour": "length"}
OWN = "own distance"
LEVEL, WEIGHT, SLACK, RATIO = "σ_min", "λ", "slack", "gradient ratio"
TRAINED = {
    LEVEL: "summary/sigma_min",
    WEIGHT: "summary/lambda",
    RATIO: "summary/train_grad_ratio",
    SLACK: "summary/slack",
}
"""What training itself found out, by title; the last three are shown where something set λ."""
TRAINED_DIGITS = {LEVEL: ".3f", WEIGHT: ".3g", RATIO: ".3g", SLACK: ".3f"}
"""How each is written: λ and the ratio are of any order of magnitude."""
AT_ONCE, BEST = ", all at once", "may be best"
NOTE = (
    "Mean [95 % interval] over training seeds and shared trials or held-out episodes. How much trainings "
    "differ is estimated from all arms of the sweep together."
)
LONE = (
    "†: of these trainings alone, since nothing is known of how trainings of an arm differ: another one may "
    "lie outside."
)
NOTES = {
    BEST: "May be best: arms that cannot be told from the best, by what is compared; in 95 % of sweeps the "
    "best is among them.",
    "acceleration": "Acceleration, jerk: mean squares along successful rollouts, brought to unit length and "
    "equal distances, so that they have no unit, medians; length: of the path over the beeline, median. "
    "Acceleration / that of another "
    "arm: median ratio on the trials in which both succeed.",
    "action error": "Action error: mean squared difference of the policy's actions to those of held-out "
    "demonstrations, over the variance of the latter; 0 is perfect, 1 as good as always their mean. "
    "Denoising loss: on the same episodes, in normalised actions. Neither is success.",
    "R²": "R²: of ridge regressions that read the task off held-out embeddings; 1 is perfect, 0 as good as "
    f"always the mean. What is below {minus(f'{FLOOR:g}')} is not told more exactly here; `arms.csv` has it.",
    "MMD p": "MMD p: permutation test of sim against real, smallest to largest over trainings.",
    LEVEL: "σ_min: noise level above which sim is trusted; that of all its windows together.",
    WEIGHT: "λ: at the end of training; where something set it, smallest to largest over trainings.",
    RATIO: "Gradient ratio: of λ · distance to denoising at the aligned layer, last logged.",
    SLACK: "Slack: what is left of the budget of held-out denoising loss at the end, as a share of the loss "
    "without alignment; below 0 it is exceeded.",
    OWN: "Own distance: the arm's objective on held-out embeddings, mean over trainings; before the arrow "
    "that of the reference's trainings, behind it that of its own.",
}


def has_column(titles: Sequence[str], title: str) -> bool:
    """Whether a column is called so, maybe behind the name of a world."""
    return any(t == title or t.endswith((f": {title}", f" {title}")) for t in titles)
