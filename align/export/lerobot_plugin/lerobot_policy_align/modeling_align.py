"""The policy, by the names that LeRobot looks for."""

import json
from pathlib import Path

from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor

from lerobot_policy_align.configuration_align import AlignConfig
from lerobot_policy_align.core import Core

GRAPH = "graph.json"


class AlignPolicy(PreTrainedPolicy):
    """A policy that `align export --format lerobot` wrote.

    Args:
        config: Its configuration.
        graph: What its graph.json holds.
    """

    config_class = AlignConfig
    name = "align"

    def __init__(self, config: AlignConfig, graph: dict | None = None, **kwargs):
        super().__init__(config)
        if graph is None:
            raise ValueError("an align policy is not made here; load a folder that align export wrote")
        self.core = Core(graph, config.n_action_steps, config.seed, config.image_fit)

    @classmethod
    def from_pretrained(cls, pretrained_name_or_path, *, config=None, **kwargs):
        """Load a folder; nothing is downloaded.

        Raises:
            FileNotFoundError: It is no folder that `align export` wrote.
        """
        file = Path(pretrained_name_or_path) / GRAPH
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file; expected a folder that align export wrote")
        kwargs |= {"graph": json.loads(file.read_text(encoding="utf-8")), "strict": True}
        return super().from_pretrained(pretrained_name_or_path, config=config, **kwargs)

    def _save_pretrained(self, save_directory: Path, state_dict: dict | None = None) -> None:
        super()._save_pretrained(save_directory, state_dict)
        (Path(save_directory) / GRAPH).write_text(json.dumps(self.core.plan), encoding="utf-8")

    def reset(self) -> None:
        self.core.reset()

    def select_action(self, batch: dict[str, Tensor], noise: Tensor | None = None) -> Tensor:
        return self.core.select_action(batch, noise)

    def predict_action_chunk(self, batch: dict[str, Tensor], noise: Tensor | None = None) -> Tensor:
        return self.core.predict_action_chunk(batch, noise)

    def get_optim_params(self) -> dict:
        return {}

    def forward(self, batch: dict[str, Tensor]):
        raise NotImplementedError("a policy that align exported is not trained here; train it with align fit")
