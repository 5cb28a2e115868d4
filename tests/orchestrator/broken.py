"""What stands in a file of JSON that another program, or a failing disk, has written."""

from typing import Final

NO_OBJECT: Final = (b"", b"\xff", b"null", b"5", b"[]", b"[" * 100_000)
"""Contents that are no JSON, or no object; the last one is nested deeper than Python reads."""
