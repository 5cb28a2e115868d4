"""What is read back from a device without waiting for it: it is sent at once, and looked at later."""

import torch
from torch import Tensor


class OnItsWay:
    """A tensor's values as they are now, on their way to the host."""

    def __init__(self, values: Tensor) -> None:
        self._sent: torch.cuda.Event | None = None
        if values.device.type == "cuda":
            self._values = values.detach().to("cpu", non_blocking=True)  # into pinned memory
            self._sent = torch.cuda.Event()
            self._sent.record(torch.cuda.current_stream(values.device))
        else:
            self._values = values.detach().cpu().clone()

    def arrived(self) -> Tensor:
        """Return the values, on the CPU; wait for them if they have not arrived."""
        if self._sent is not None:
            self._sent.synchronize()
        return self._values
