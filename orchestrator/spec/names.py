"""Names of studies, which become names of folders."""

import re

from trainables.errors import InvalidValue

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_study_name(name: str) -> str:
    """Return `name` if it is safe as the name of a folder; raises InvalidValue otherwise."""
    if not SAFE_NAME.fullmatch(name):
        allowed = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100 characters"
        raise InvalidValue("name", name, f"must consist of {allowed}")
    return name
