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


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks; of an `InputError` behind it, that one's message."""
    return " ".join(str(mistake_behind(error) or error).split())


def mistake_behind(error: BaseException) -> InputError | None:
    """The `InputError` that an error is or was raised from, if any."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or cause.__context__
    return cause
