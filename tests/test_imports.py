"""Every module can be imported by itself, whatever else is installed or imported."""

import importlib
import pkgutil

import align
import align.analysis
import align.experiments

LEFT_OUT = {"align.export.example"}  # a file for robots, which is never imported from here


def test_every_module_can_be_imported():
    found = {m.name for m in pkgutil.walk_packages(align.__path__, "align.")}
    for package in (align.analysis, align.experiments):  # other folders of a checkout
        found |= {m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")}
    assert len(found) > 200
    failures = {}
    for name in sorted(found - LEFT_OUT):
        try:
            importlib.import_module(name)
        except Exception as error:  # any is one
            failures[name] = f"{type(error).__name__}: {error}"
    assert not failures
