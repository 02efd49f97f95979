"""Strict skips, for continuous integration.

With the environment variable ALIGN_MAY_SKIP, a pattern, a test that is skipped for any other reason fails.
"""

import os
import re

import pytest


def _strict(report):
    """The report of a test or of a file, failed if it was skipped for a reason that is not allowed."""
    allowed = os.environ.get("ALIGN_MAY_SKIP")
    if allowed is not None and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2]
        if not re.search(allowed, reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}; expected a reason to skip that fits ALIGN_MAY_SKIP={allowed!r}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _strict((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _strict((yield))
