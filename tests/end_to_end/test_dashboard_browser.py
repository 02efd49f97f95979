"""Opens a sweep's TensorBoard in headless Chromium and reads each tab; screenshots go to pytest's tmp_path.

Look at them with `pytest tests/end_to_end/test_dashboard_browser.py --basetemp=SOME/FOLDER`.
"""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from synthetic_runs import write_run
from torch.utils.tensorboard import SummaryWriter
from waiting import LONG, until

from align.analysis import dashboard
from align.analysis.reports.everything import report
from align.analysis.reports.probes.probe import probe_run

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --enable-unsafe-swiftshader --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --window-size=1500,1100"
).split()
TABS = {  # what must be readable in each
    "scalars": ["probe/denoiser/auc", "probe/image/accuracy"],  # other groups are folded
    "custom_scalars": ["losses", "alignment", "gradient-norm ratio"],
    "images": ["probe/report", "rollouts"],
    "pr_curves": ["probe/image", "probe/observation", "probe/denoiser"],
    "hparams": ["final/rollout/real/score", "final/probe/image/auc", "lambda"],
    "projector": ["Points: 80", "3 tensors found"],
}
DEEP_TEXT = """
const text = node => [...node.childNodes].map(n =>
  n.nodeType === 3 ? n.textContent : ['SCRIPT', 'STYLE'].includes(n.nodeName) ? '' :
  (n.shadowRoot ? text(n.shadowRoot) : '') + (n.contentDocument ? text(n.contentDocument) : '') + text(n)
).join(' ');
return text(document.body).replace(/\\s+/g, ' ');
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)"
    ),
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep")
    for value in (0.0, 0.1):
        run = write_run(path / f"lambda={value}", {"lambda": value, "seed": 0}, episodes=4, windows=10)
        with SummaryWriter(str(run)) as writer:
            for tag in ("train/loss", "train/denoise", "train/alignment", "train/grad_ratio", "val/loss_sim"):
                for step in range(0, 100, 10):
                    writer.add_scalar(tag, np.exp(-step / 40), step)
        probe_run(run)
    report(path)
    for run in sorted(path.glob("lambda=*")):
        if run.is_dir():
            dashboard.write_run(run)
    dashboard.write_sweep(path)
    return path


@contextlib.contextmanager
def serving(command, url):
    """Runs a server until the block ends; waits until it answers at `url`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:

        def answers() -> bool:
            assert process.poll() is None, f"{command[0]} exited"
            with contextlib.suppress(OSError):  # refused, or too busy to answer in time
                urllib.request.urlopen(url, timeout=30).close()
                return True
            return False

        until(answers, every=0.5)
        yield
    finally:
        process.terminate()
        process.wait(LONG)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_every_tab_shows_what_was_written(sweep, tmp_path):
    board, driver = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    tensorboard = [
        sys.executable,
        "-m",
        "tensorboard.main",
        f"--logdir={sweep}",
        f"--port={board.split(':')[-1]}",
    ]

    def call(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            driver + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            return json.load(answer)["value"]

    with (
        serving(tensorboard, board),
        serving([DRIVER, f"--port={driver.split(':')[-1]}"], f"{driver}/status"),
    ):
        options = {"binary": BROWSER, "args": [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = f"/session/{call('POST', '/session', wanted)['sessionId']}"
        try:
            for tab, texts in TABS.items():
                call("POST", f"{session}/url", {"url": "about:blank"})  # else only the hash changes
                call("POST", f"{session}/url", {"url": f"{board}/#{tab}"})
                missing, deadline = texts, time.monotonic() + LONG / 2
                while missing and time.monotonic() < deadline:
                    time.sleep(1)
                    shown = call("POST", f"{session}/execute/sync", {"script": DEEP_TEXT, "args": []})
                    missing = [text for text in texts if text not in shown]
                picture = tmp_path / f"{tab}.png"

                def drawn(picture=picture) -> bool:
                    time.sleep(2)  # let charts be drawn
                    picture.write_bytes(base64.b64decode(call("GET", f"{session}/screenshot")))
                    return np.asarray(Image.open(picture).convert("L")).std() > 5

                until(drawn, LONG / 2)
                assert not missing, f"{tab}: {missing} not shown, see {picture}"
        finally:
            call("DELETE", session)
