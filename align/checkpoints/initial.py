"""Training that starts from the weights of another run."""

from pathlib import Path

from torch import nn

from align.checkpoints.reading import averaged_weights, check_finite, checkpoint_file, read_checkpoint
from align.errors import InputError, one_line


def start_from(initial: str | Path, *policies: nn.Module) -> None:
    """Give policies the averaged weights and the normaliser of another.

    Args:
        initial: Its run directory or checkpoint.
        *policies: Those that take them.

    Raises:
        InputError: There is none, or it is another kind of policy.
    """
    state = averaged_weights(read_checkpoint(initial))
    for policy in policies:
        try:
            policy.load_state_dict(state)
        except RuntimeError as error:
            file, reason = str(checkpoint_file(initial)), one_line(error)[:300]
            raise InputError(f"initial={file!r}: does not fit this policy: {reason}") from None
        check_finite(policy, initial)
