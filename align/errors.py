"""The exceptions that end a command with one line: a user's mistake, and work that is not finished."""


class InputError(ValueError):
    """Input that cannot be used.

    Its message is one line that names the argument, the value received and what was expected. The
    command line prints that line, without a traceback, and exits non-zero.
    """


class Unfinished(Exception):
    """Work that was stopped before its end and can go on; nothing is wrong.

    Args:
        message: One line: what stopped it, and how it goes on.
        status: Exit status of the command.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status
