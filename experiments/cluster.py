"""Runs on a cluster, through submitit: on SLURM, or on submitit's executors "local" and "debug"."""

import subprocess
import sys
import time
from pathlib import Path

from align.errors import InputError, printable
from align.experiments.launch import Job, execute, fit_only

REQUEUES = 20  # times that a run which is out of time is put back into the queue
LOOK_SECONDS = 5.0  # between two looks at the queue
GONE_SECONDS = 15.0  # after which a job that is not in the queue, and has left no result, has died


class Execution:
    """Runs the request of a run directory as a job; pickled by submitit.

    Of a job with several tasks the first does what one process alone can do, and all of them train.
    """

    def __call__(self, folder: str) -> int:
        from submitit import JobEnvironment

        return execute(folder) if JobEnvironment().global_rank == 0 else fit_only(folder)

    def checkpoint(self, folder: str):
        """What is submitted again when the job runs out of time or has to make room: it goes on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, folder)


class SubmititLauncher:
    """Runs each job through submitit.

    Args:
        cluster: "slurm", "local" or "debug".
        folder: Where submitit keeps its logs.
        parameters: submitit's executor parameters, e.g. {"slurm_partition": "gpu", "timeout_min": 600}.

    Raises:
        InputError: submitit is missing, there is no such cluster here, or a parameter is not known.
    """

    def __init__(self, cluster: str, folder: Path, parameters: dict):
        try:
            import submitit
        except ImportError:
            raise InputError(
                f"cluster={cluster!r}: needs submitit: pip install -e '.[slurm]' in a checkout"
            ) from None
        try:
            self.executor = submitit.AutoExecutor(folder, cluster, slurm_max_num_timeout=REQUEUES)
            self.executor.update_parameters(**{"timeout_min": 24 * 60, **parameters})
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise InputError(f"cluster={cluster!r}, cluster_parameters={parameters}: {error}") from None
        self.queued = _Queue() if self.executor.cluster == "slurm" else None

    def start(self, job: Job) -> None:
        """Submit the run.

        Raises:
            InputError: The cluster refuses it.
        """
        try:
            job.handle = self.executor.submit(Execution(), str(job.folder))
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            raise InputError(f"cluster_parameters: {job.name} was not submitted: {error}") from None

    def status(self, job: Job) -> int | None:
        """Exit status of the run, if it has ended: also of one that ended without a word, as by scancel."""
        handle = job.handle
        if self.queued is None:
            done = handle.done()
        else:  # submitit would ask SLURM's accounting
            done = all(handle.task(i).paths.result_pickle.exists() for i in range(handle.num_tasks))
            if not done and not self.queued.holds(handle.job_id):
                print(
                    printable(f"{job.name}: job {handle.job_id} left the queue without a result"),
                    file=sys.stderr,
                )
                return 1
        if not done:
            return None
        try:
            return next((status for status in handle.results() if status), 0)
        except Exception as error:  # the job died: submitit raises whatever ended it
            print(printable(f"{job.name}: {error}"), file=sys.stderr)
            return 1

    def stop(self, job: Job) -> None:
        job.handle.cancel(check=False)


class _Queue:
    """SLURM's queue, asked now and then; its accounting would know more, but not every cluster has it."""

    def __init__(self):
        self._seen: dict[str, float] = {}  # when each job was last in it
        self._looked = -LOOK_SECONDS

    def holds(self, job: str) -> bool:
        """Whether a job waits, runs or is being put back; False only some time after it was last seen."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            command = ["squeue", "--me", "--noheader", "--format", "%i"]
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            if not asked.returncode:
                self._looked = now
                self._seen |= dict.fromkeys(asked.stdout.split(), now)
        return self._looked - self._seen.setdefault(job, now) < GONE_SECONDS
