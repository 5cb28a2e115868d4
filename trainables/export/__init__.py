"""Exported networks: files that run without espalier, each checked against the network from which it was made."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from trainables.export.exporting import FORMATS as FORMATS
    from trainables.export.exporting import Exported as Exported
    from trainables.export.exporting import export as export

__getattr__ = lazily(__name__, exporting="FORMATS Exported export")
