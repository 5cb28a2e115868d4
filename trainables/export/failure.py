"""Why an export fails."""

from trainables.errors import EspalierError


class ExportFailed(EspalierError, RuntimeError):
    """A network cannot be written in a format, or the file that was written computes something else."""
