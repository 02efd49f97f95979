"""Planar pushing: a T to be pushed to a goal pose, in worlds that differ by gaps of chosen levels."""

from align.worlds.pushing.env import register

register()
