"""The arm: kinematics and collisions against published tables and bounds, its planners, regions and plans."""

import importlib.util
import sys
from collections import Counter
from importlib import metadata

import numpy as np
import pytest

from align.cli import main
from align.data.episodes import read_store
from align.errors import InputError
from align.worlds.planning import arm_plans, arm_regions
from align.worlds.planning.arm import REACH, Arm, ArmSpec, arm, certain
from align.worlds.planning.arm_gcs import ArmGcs
from align.worlds.planning.arm_kinematics import FINGERS, fingers, frames
from align.worlds.planning.arm_plans import NOT_COVERED, attributes, record
from align.worlds.planning.arm_regions import Inflation, cached, contains, inflate
from align.worlds.planning.arm_rrt import RANGE, ArmRrt, shortened
from align.worlds.planning.arm_task import MARGIN, PADDING, READY, RESOLUTION, places, sample_query
from align.worlds.planning.plans import PAUSE, path_of


def missing() -> list[str]:
    found = {d.metadata["Name"] for d in metadata.distributions()}
    return [*(m for m in ("pydrake", "ompl") if importlib.util.find_spec(m) is None),
            *({"example-robot-data"} - found)]  # fmt: skip


pytestmark = pytest.mark.skipif(
    bool(missing()),
    reason=f"{', '.join(missing())} not installed (pip install -e '.[planning]' in a checkout)",
)

SPEC = ArmSpec()
REGIONS = [  # boxes in a row in front of the shelf, the last of them apart
    (np.concatenate([np.eye(7), -np.eye(7)]), np.concatenate([centre + 0.15, 0.15 - centre]))
    for centre in READY + np.outer([0.0, 0.2, 0.4, 1.5], [1.0, 0.5, 0, 0.5, 0, 0, 0])
]


def configurations(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(arm(SPEC).low, arm(SPEC).high, (n, 7))


def test_kinematics_follow_the_published_table():
    q = configurations(5)
    links = np.array([arm(SPEC).links(each) for each in q])
    np.testing.assert_allclose(frames(q)[..., :3, 3], links[:, :9], atol=1e-9)
    plant, context = arm(SPEC).plant, arm(SPEC).plant.CreateDefaultContext()
    for each in q:
        plant.SetPositions(context, each)
        hand, world = plant.GetFrameByName("panda_hand"), plant.world_frame()
        between = plant.CalcPointsPositions(context, hand, [0, 0, FINGERS], world)[:, 0]
        np.testing.assert_allclose(fingers(each), between, atol=1e-9)


def test_free_means_apart_and_within_limits():
    q = configurations(200)
    clearance = np.array([arm(SPEC).clearance(each) for each in q])
    for padding in (0.0, PADDING):
        free = arm(SPEC, padding).free(q)
        assert 0.1 < free.mean() < 0.95
        np.testing.assert_array_equal(free, clearance > padding)
    assert arm(SPEC, PADDING).free(places(SPEC)).all()
    outside, unknown = READY.copy(), READY.copy()
    outside[3], unknown[0] = 0.0, np.nan
    np.testing.assert_array_equal(arm(SPEC).free(np.stack([READY, outside, unknown])), [True, False, False])


def test_the_shelf_is_in_the_way():
    hands = np.array([arm(SPEC).links(q)[-1] for q in places(SPEC)])
    assert (np.sign(hands[1:, 1]) == [1, 1, -1, -1]).all() and (hands[1:, 2] > 0.4).tolist() == [0, 1, 0, 1]
    nearer = [Arm(ArmSpec(shelf=0.4)).clearance(q) for q in places(SPEC)[1:]]
    assert min(nearer) < min(arm(SPEC).clearance(q) for q in places(SPEC)[1:])


def test_nothing_moves_by_more_than_is_assumed():
    rng, q = np.random.default_rng(1), configurations(200)
    near = np.clip(q + rng.normal(0, 0.05, q.shape), arm(SPEC).low, arm(SPEC).high)
    change = [abs(arm(SPEC).clearance(a) - arm(SPEC).clearance(b)) for a, b in zip(q, near, strict=True)]
    assert (change <= REACH * np.abs(near - q).sum(1) + 1e-6).all() and max(change) > 0.02
    assert certain(MARGIN) * REACH / 2 == pytest.approx(MARGIN)


def test_segments_against_a_loop():
    q = configurations(40)
    start, end = q[:20], np.where(np.arange(20)[:, None] < 15, q[:20] + 0.1 * (q[20:] - q[:20]), q[20:])
    end[0] = start[0]
    found = arm(SPEC).segments_free(start, end, 0.05)
    for a, b, free in zip(start, end, found, strict=True):
        steps = max(int(np.ceil(np.abs(b - a).sum() / 0.05)), 1)
        assert free == all(arm(SPEC).free((a + (b - a) * k / steps)[None])[0] for k in range(steps + 1))
    assert 0 < found.sum() < 20
    assert not arm(SPEC).segments_free(start[:1], start[:1] * np.nan, 0.05)[0]


def test_queries_are_near_two_places_and_free():
    for i in range(20):
        query = sample_query(SPEC, np.random.default_rng(i))
        assert arm(SPEC, PADDING).free(query).all()
        near = np.abs(query[:, None] - places(SPEC)).max(-1) <= SPEC.spread
        assert near.sum(1).tolist() == [1, 1] and near.argmax(1)[0] != near.argmax(1)[1]


def test_jagged_plans_are_free_more_closely_looked_at_and_reproducible():
    kept = list(record(SPEC, "rrt-connect", n=2, seed=3, repeats=2))
    assert kept[0]["agent_pos"].shape[1] == 14 and kept[0]["action"].shape[1] == 7
    again = arm_plans._attempt(SPEC, "rrt-connect", None, 3, 2, None, kept[1]["seed"])
    assert all(np.array_equal(kept[1][key], again[key]) for key in again)
    for plan in kept:
        path = path_of(plan["state"])
        assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() <= 0.1 + 1e-6
        np.testing.assert_array_equal(path[-1], plan["action"][-PAUSE:][0])
        assert arm(SPEC).path_free(path, RESOLUTION / 3), "certain at the coarser resolution, with a margin"
    first, second = (plan["state"] for plan in kept[:2])
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(path_of(first), path_of(second)), "one query, two plans"


def test_a_shortened_path_is_shorter_and_free():
    start, goal = places(SPEC)[[0, 2]]
    path = ArmRrt(arm(SPEC, PADDING)).plan(start, goal, seed=1)
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() <= RANGE + 1e-9
    short = shortened(arm(SPEC, PADDING), path, np.random.default_rng(0), 0.05)
    np.testing.assert_array_equal(short[[0, -1]], path[[0, -1]])
    assert len(short) < len(path) and arm(SPEC).path_free(short, 0.05)


def test_smooth_plans_keep_to_the_regions():
    planner, (start, goal) = ArmGcs(REGIONS), READY + np.outer([-0.1, 0.5], [1.0, 0.5, 0, 0.5, 0, 0, 0])
    goal[6] += 0.1
    path = planner.plan(start, goal, seed=1)
    np.testing.assert_allclose(path[[0, -1]], [start, goal], atol=1e-5)
    assert planner.covers(path).all() and not planner.covers(READY + 1.0)
    steps = np.diff(path[np.linalg.norm(np.diff(path, axis=0, prepend=path[:1] - 1), axis=1) > 1e-9], axis=0)
    unit = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    assert ((unit[1:] * unit[:-1]).sum(1) > 0.99).all(), "no corner"
    np.testing.assert_array_equal(ArmGcs(REGIONS).plan(start, goal, seed=1), path)
    apart = REGIONS[3][1][:7] - 0.15  # the centre of the box that no other overlaps
    assert planner.covers(apart) and planner.plan(start, apart, seed=1) is None


def test_a_region_holds_its_seed_and_is_nearly_free():
    pose, how = places(SPEC)[2], Inflation(epsilon=0.1, delta=0.2)
    region = inflate(arm(SPEC, PADDING), pose, np.eye(7) * how.width, pose[None], how)
    assert contains(region, pose) and not contains(region, READY + 1.0)
    from pydrake.common import RandomGenerator
    from pydrake.geometry.optimization import HPolyhedron

    body, generator, q = HPolyhedron(*region), RandomGenerator(0), pose
    sample = np.array([q := body.UniformSample(generator, q, mixing_steps=30) for _ in range(200)])
    share = arm(SPEC, PADDING).free(sample).mean()
    assert share > 0.85, "of its volume"
    around = configurations(400)
    assert arm(SPEC, PADDING).free(around).mean() < 0.9 and contains(region, around).mean() < 0.1


def test_regions_are_made_once(tmp_path, monkeypatch):
    made = []

    def make(spec, how):
        made.append(spec)
        return REGIONS[: 2 + len(made)]

    monkeypatch.setattr(arm_regions, "make", make)
    first, again = cached(SPEC, tmp_path), cached(SPEC, tmp_path)
    assert made == [SPEC] and len(first) == len(again) == 3
    for (A, b), (C, d), (E, f) in zip(first, again, REGIONS[:3], strict=True):
        np.testing.assert_array_equal(A, C), np.testing.assert_array_equal(A, E)
        np.testing.assert_array_equal(b, d), np.testing.assert_array_equal(b, f)
    with monkeypatch.context() as other:
        other.setattr(arm_regions, "INFLATION", Inflation(seed=1))
        assert len(cached(SPEC, tmp_path)) == 4 and len(made) == 2, "other parameters"
    arm_regions.make_folder(str(tmp_path))
    assert len(made) == 2, "what a sweep makes is what plans read"
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2
    for file in files:
        file.write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"cannot be read.*delete"):
        cached(SPEC, tmp_path)


def test_coverage_and_rejection_add_up(monkeypatch):
    class Straight:
        def covers(self, q):
            return np.full(len(q), q[0, 0] > -0.05)

        def plan(self, start, goal, seed):
            return None if seed % 3 == 0 else np.stack([start, goal])

    monkeypatch.setattr(arm_plans, "_planner", lambda *_: Straight())
    monkeypatch.setattr(
        arm_plans, "sample_query", lambda _, rng: READY + rng.uniform(-1, 1, (2, 7)) * [[0.1], [0.8]]
    )
    recording = record(SPEC, "gcs", n=4, regions="unused")
    kept = list(recording)
    said = attributes(recording, "gcs", 4)
    reasons = Counter(said["rejected"])
    assert set(reasons) == {NOT_COVERED, "not found", "in collision"}
    assert said["attempts"] == 4 + reasons.total() == kept[-1]["seed"] + 1
    product = said["coverage"] * said["found"] * said["free"]
    assert product == pytest.approx(4 / said["attempts"], abs=1e-5)
    assert all(arm(SPEC).path_free(path_of(plan["state"]), RESOLUTION) for plan in kept)


def test_the_command_stores_what_was_planned(tmp_path):
    out = str(tmp_path / "plans.zarr")
    options = ["--world", "arm", "--planner", "rrt-connect", "--n", "2", "--jobs", "1"]
    assert main(["plans", out, *options]) == 0
    stored, expected = read_store(out, images=False), list(record(SPEC, "rrt-connect", 2))
    for key in ("agent_pos", "action", "state"):
        np.testing.assert_array_equal(getattr(stored, key), np.concatenate([plan[key] for plan in expected]))
    assert stored.attrs["domain"] == "sim" and stored.attrs["arm"]["spread"] == SPEC.spread
    assert "coverage" not in stored.attrs and stored.attrs["margin_m"] == MARGIN


@pytest.mark.parametrize(
    "options, said",
    [
        (["--world", "arm"], "planner='rrt': expected one of gcs, rrt-connect"),
        (["--world", "arm", "--planner", "gcs"], "regions=None"),
        (["--world", "arm", "--maze.cells", "3"], "expected none for world arm"),
        (["--world", "arm", "--planner", "gcs", "--regions", __file__], "expected a folder"),
        (["--regions", "x"], "regions='x': expected none for world maze"),
        (["--world", "arm", "--arm.shelf", "2"], "shelf=2"),
        (["--world", "arm", "--arm.spread", "-1"], "spread=-1"),
    ],
)
def test_mistakes(options, said, tmp_path, capsys):
    assert main(["plans", str(tmp_path / "x.zarr"), *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "x.zarr").exists()


def test_what_is_missing_is_named(monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pydrake", None)
        with pytest.raises(InputError, match="drake is not installed"):
            Arm(SPEC)

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(InputError, match="example-robot-data is not installed"):
        Arm(SPEC)
