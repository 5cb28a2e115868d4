"""The training loop, what acts inside it, what it takes of the machine. Public: `companion.Companion`, `acts.Acts`."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from trainables.training.acts import Act as Act
    from trainables.training.acts import Acts as Acts
    from trainables.training.companion import Companion as Companion

__getattr__ = lazily(
    __name__,
    acts="Act Acts",
    companion="Companion",
)
