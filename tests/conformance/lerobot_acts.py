"""Runs an exported policy as lerobot-rollout does and keeps its actions; in lerobot's own environment.

python lerobot_acts.py POLICY SEEN.npz OUT.npz [DATASET]
"""

import sys

import numpy as np
from lerobot.configs import PreTrainedConfig
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from lerobot.policies import get_policy_class, make_policy, make_pre_post_processors
from lerobot.rollout.inference.sync import SyncInferenceEngine
from lerobot.utils.import_utils import register_third_party_plugins

SEED = 3


def main(folder: str, seen: str, out: str, dataset: str | None = None) -> None:
    register_third_party_plugins()
    config = PreTrainedConfig.from_pretrained(folder, cli_overrides=[f"--seed={SEED}", "--device=cpu"])
    config.pretrained_path = folder
    if dataset is None:
        policy = get_policy_class(config.type).from_pretrained(folder, config=config)
    else:
        policy = make_policy(config, ds_meta=LeRobotDatasetMetadata("align/written", root=dataset))
    before, after = make_pre_post_processors(
        policy_cfg=config,
        pretrained_path=folder,
        preprocessor_overrides={
            "device_processor": {"device": "cpu"},
            "rename_observations_processor": {"rename_map": {}},
        },
    )
    names = [f"x{i}" for i in range(config.output_features["action"].shape[0])]
    features = {"action": {"names": names}}
    engine = SyncInferenceEngine(policy, before, after, features, names, "push", "cpu", "none")
    frames = dict(np.load(seen))
    engine.reset()
    n = len(frames["observation.state"])
    actions = [engine.get_action({key: value[t] for key, value in frames.items()}) for t in range(n)]
    policy.save_pretrained(f"{out}.saved")
    again = get_policy_class(config.type).from_pretrained(f"{out}.saved", config=config)
    same = all(
        (a == b).all() for a, b in zip(policy.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert not [name for name in sys.modules if name.split(".")[0] == "align"], "the plugin imports align"
    np.savez(out, actions=np.stack(actions), saved=same)


if __name__ == "__main__":
    main(*sys.argv[1:])
