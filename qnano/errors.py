"""The two failures that a user is told about in a line instead of a traceback."""


class InputError(ValueError):
    """A key, a value or a file that cannot be used as asked for. One line per problem; exit code 2."""


class RunFailed(RuntimeError):
    """A run that began did not reach its end; what it had computed is kept. One line per failure; exit code 1."""
