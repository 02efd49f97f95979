"""The one exception for a user's mistake."""


class InputError(ValueError):
    """Input that cannot be used.

    Its message is one line that names the argument, the value received and what was expected. The
    command line prints that line, without a traceback, and exits non-zero.
    """
