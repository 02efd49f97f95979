"""Long work says that it goes on, and holds to its threads."""

import re
import time

import pytest
import torch
from threadpoolctl import threadpool_info
from waiting import LONG, until

from align.errors import InputError
from align.run.ticking import pinned, telling


def test_long_work_tells_and_short_work_does_not(capsys):
    with telling("working", seconds=LONG):
        pass
    assert capsys.readouterr().out == ""
    lines: list[str] = []

    def two() -> bool:
        lines.extend(capsys.readouterr().out.splitlines())
        return len(lines) >= 2

    with telling("working", seconds=0.02):
        until(two)
    lines += capsys.readouterr().out.splitlines()
    assert len(lines) >= 2 and all(re.fullmatch(r"working: \d+ s so far", line) for line in lines)
    time.sleep(0.05)
    assert capsys.readouterr().out == ""  # and no more once it is done


def test_threads_are_pinned_and_set_back():
    torch.ones(300, 300) @ torch.ones(300, 300)
    before = [pool["num_threads"] for pool in threadpool_info()]
    with pinned(1):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before
    with pytest.raises(InputError, match="threads=0"), pinned(0):
        pass
