"""What happens around training: checkpoints, progress, embeddings, rollouts."""

from align.callbacks.checkpoint import AtomicCheckpointIO, LastCheckpoint
from align.callbacks.embeddings import Embeddings
from align.callbacks.progress import Progress
from align.callbacks.rollouts import Rollouts
from align.callbacks.termination import Termination

__all__ = ["AtomicCheckpointIO", "Embeddings", "LastCheckpoint", "Progress", "Rollouts", "Termination"]
