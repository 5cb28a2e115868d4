"""The live pages of a store: its studies while they run, their trials, and the networks on their fronts."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.ui.address import Address as Address
    from orchestrator.ui.application import application as application
    from orchestrator.ui.serving import serve as serve

__getattr__ = lazily(__name__, address="Address", application="application", serving="serve")
