"""What a stack claims, how it is measured, and how both are shown.

`run(stack, far_end)` puts any stack to the test; it is imported when it is asked for, because the
probes need the sockets that need this package.
"""

from typing import TYPE_CHECKING, Any

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual, NoLimit

if TYPE_CHECKING:
    from netsocket.capability.farend import FarEnd
    from netsocket.capability.measure import Measurement, run

__all__ = [
    "CATALOGUE",
    "Capability",
    "CapabilityTable",
    "FarEnd",
    "Level",
    "Manual",
    "Measurement",
    "NoLimit",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in ("Measurement", "run"):
        from netsocket.capability import measure

        return getattr(measure, name)
    if name == "FarEnd":
        from netsocket.capability.farend import FarEnd

        return FarEnd
    raise AttributeError(name)
