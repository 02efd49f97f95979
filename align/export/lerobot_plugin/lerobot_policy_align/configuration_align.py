"""What a policy's config.json holds, by the names that LeRobot looks for."""

from dataclasses import dataclass, field

from lerobot.configs import NormalizationMode, PreTrainedConfig


@PreTrainedConfig.register_subclass("align")
@dataclass
class AlignConfig(PreTrainedConfig):
    """Configuration of an exported policy.

    Args:
        n_obs_steps: Observations that it sees.
        horizon: Actions that it plans, beginning at the oldest observation.
        n_action_steps: How many of them are executed before it plans again; fewer may be asked for.
        seed: Seed of the noise that it samples from.
        image_fit: How images of another size than training's are resized: stretch, pad or crop; null refuses
            them.
        normalization_mapping: It normalises by itself.
    """

    n_obs_steps: int = 2
    horizon: int = 16
    n_action_steps: int = 8
    seed: int = 0
    image_fit: str | None = None
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: dict.fromkeys(("VISUAL", "STATE", "ACTION"), NormalizationMode.IDENTITY)
    )

    def __post_init__(self):
        super().__post_init__()
        most = self.horizon - self.n_obs_steps + 1
        if not 1 <= self.n_action_steps <= most:
            raise ValueError(
                f"n_action_steps={self.n_action_steps}: expected 1 to {most}, as it plans no more"
            )

    @property
    def observation_delta_indices(self) -> list[int]:
        return list(range(1 - self.n_obs_steps, 1))

    @property
    def action_delta_indices(self) -> list[int]:
        return list(range(1 - self.n_obs_steps, 1 - self.n_obs_steps + self.horizon))

    @property
    def reward_delta_indices(self) -> None:
        return None

    def validate_features(self) -> None:
        """Nothing to check: what the policy sees is in its graph."""

    def get_optimizer_preset(self):
        raise NotImplementedError("a policy that align exported is not trained here; train it with align fit")

    def get_scheduler_preset(self) -> None:
        return None
