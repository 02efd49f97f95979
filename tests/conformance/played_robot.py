"""A robot of LeRobot's that sees what was recorded and keeps what it is told, as `lerobot_robot_played`."""

from dataclasses import dataclass

import numpy as np
from lerobot.robots import Robot, RobotConfig


@RobotConfig.register_subclass("played")
@dataclass
class PlayedConfig(RobotConfig):
    """Of a robot that plays.

    Args:
        seen: An .npz of observations by LeRobot's names, a row a step.
        out: The .npz of actions that it writes when it is let go of.
    """

    seen: str = ""
    out: str = ""


class Played(Robot):
    config_class, name = PlayedConfig, "played"

    def __init__(self, config):
        super().__init__(config)
        self.seen, self.out, self.step, self.actions = dict(np.load(config.seen)), config.out, 0, []
        self.state = self.seen.pop("observation.state")
        self.connected = False

    @property
    def observation_features(self):
        cameras = {k.removeprefix("observation.images."): v.shape[1:] for k, v in self.seen.items()}
        return {**self.action_features, **cameras}

    @property
    def action_features(self):
        return {f"joint_{i}.pos": float for i in range(self.state.shape[1])}

    @property
    def is_connected(self):
        return self.connected

    @property
    def is_calibrated(self):
        return True

    def connect(self, calibrate=True):
        self.connected = True

    def calibrate(self):
        pass

    def configure(self):
        pass

    def get_observation(self):
        """The next row, the first one twice, since lerobot-rollout asks for it once before it begins."""
        at = min(max(self.step - 1, 0), len(self.state) - 1)
        self.step += 1
        images = {k.removeprefix("observation.images."): v[at] for k, v in self.seen.items()}
        return {f"joint_{i}.pos": float(x) for i, x in enumerate(self.state[at])} | images

    def send_action(self, action):
        self.actions.append([action[f"joint_{i}.pos"] for i in range(self.state.shape[1])])
        return action

    def disconnect(self):
        np.savez(self.out, actions=np.array(self.actions))
        self.connected = False
