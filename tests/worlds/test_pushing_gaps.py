import dataclasses
import itertools
import math

import numpy as np
import pytest

from align.errors import InputError
from align.worlds.pushing.gaps import SIM, TARGET, Gap
from align.worlds.pushing.geometry import GOAL
from align.worlds.pushing.render import Look, Renderer
from align.worlds.pushing.scene import sample_start

STATES = [sample_start(np.random.default_rng(i), "easy") for i in range(5)]


def pictures(look, size=64, seed=3):
    renderer = Renderer(look, size, seed)
    return np.array([renderer(state) for state in STATES]).astype(int)


def test_level_zero_is_sim_and_level_one_the_target():
    assert Gap().world() == SIM
    assert Gap(1, 1, 1).world() == TARGET
    np.testing.assert_array_equal(pictures(Gap(visual=0.0, physics=1).world().look), pictures(SIM.look))


def test_the_gaps_are_independent():
    world = Gap(visual=1.0).world()
    assert (world.look, world.physics, world.style) == (TARGET.look, SIM.physics, SIM.style)
    world = Gap(physics=1.0).world()
    assert (world.look, world.physics, world.style) == (SIM.look, TARGET.physics, SIM.style)


def test_every_number_of_the_target_is_reached_continuously():
    before = SIM
    for level in np.linspace(0.05, 1, 20):
        world = Gap(level, level, level).world()
        for part in ("look", "physics", "style"):
            for field in dataclasses.fields(getattr(world, part)):
                ends = [np.array(getattr(getattr(w, part), field.name)) for w in (SIM, TARGET)]
                jump = getattr(getattr(world, part), field.name)
                jump = np.abs(np.array(jump) - getattr(getattr(before, part), field.name))
                assert (jump <= np.abs(ends[1] - ends[0]) * 0.051 + 1e-9).all(), field.name
        before = world


def test_small_steps_of_the_visual_gap_change_pictures_little():
    images = [pictures(Gap(visual=level).world().look) for level in np.linspace(0, 1, 21)]
    changes = [np.abs(b - a).mean() for a, b in itertools.pairwise(images)]
    assert 0.5 < min(changes) and max(changes) < 8
    from_sim = [np.abs(image - images[0]).mean() for image in images]
    assert from_sim == sorted(from_sim)


def test_beyond_one_extrapolates_within_bounds():
    world = Gap(3.0, 3.0, 3.0).world()
    assert world.physics.lag == 0.9
    assert world.physics.friction == 2.0
    assert world.look.pusher[2] == 0.0
    assert pictures(world.look).shape == (5, 64, 64, 3)


@pytest.mark.parametrize("level", [-0.1, math.nan, math.inf, "1"])
def test_bad_levels_are_named(level):
    with pytest.raises(InputError, match=r"physics=.*: expected a number in \[0, 10\]"):
        Gap(physics=level)


def test_pictures_are_a_function_of_look_size_seed_and_state():
    look = TARGET.look
    np.testing.assert_array_equal(pictures(look), pictures(look))
    assert np.abs(pictures(look) - pictures(look, seed=4)).mean() > 1  # other lighting, other noise
    np.testing.assert_array_equal(pictures(SIM.look), pictures(SIM.look, seed=4))
    renderer = Renderer(look, 64, 3)
    first = renderer(STATES[0])
    renderer(STATES[1])
    np.testing.assert_array_equal(renderer(STATES[0]), first)


def test_pictures_show_block_pusher_and_goal_where_they_are():
    state = np.array([100.0, 400.0, 350.0, 150.0, 0.0])
    look = Look(zoom=1.0)
    image = Renderer(look, 128)(state)

    def colour_at(x, y):
        return image[int(y / 4), int(x / 4)].astype(int)

    for point, colour in (
        ((100, 400), look.pusher),
        ((350, 165), look.block),
        ((350, 240), look.block),
        ((GOAL[0] - 20, GOAL[1] + 20), look.goal),
        ((60, 60), look.table),
    ):
        np.testing.assert_allclose(colour_at(*point), colour, atol=2)


def test_drawn_area_of_the_block_is_right():
    look = Look(zoom=1.0, rim=0.0, goal=(255.0, 255.0, 255.0), block=(0.0, 0.0, 0.0), wall=(255.0,) * 3)
    for size in (64, 96):
        areas = []
        for angle in np.linspace(0, 3, 20):
            image = Renderer(dataclasses.replace(look, pusher=(255.0,) * 3), size)(
                np.array([50.0, 50.0, 256.0, 256.0, angle])
            )
            areas.append((255 - image[..., 0].astype(float)).sum() / 255 * (512 / size) ** 2)
        assert np.mean(areas) == pytest.approx(6300, rel=0.04)


@pytest.mark.parametrize("size", [8, 64.0, "64"])
def test_bad_sizes_and_looks_are_named(size):
    with pytest.raises(InputError, match=r"size=.*: expected a whole number in \[16, 65536\]"):
        Renderer(Look(), size)
    with pytest.raises(InputError, match=r"Look.table=\(1, 2\): expected 3 numbers, each in \[0, 255\]"):
        Look(table=(1, 2))
    for nothing in ({}, None):
        with pytest.raises(InputError, match=r"Look.perspective=.*: expected a number in"):
            Look(perspective=nothing)
