"""The 3GPP 27.010 multiplexer, basic option: several links over one port. See docs/cmux.md.

`frames`, `messages` and `mux` are sans-IO; `begin` and `link` make Links of it.
"""

from atdriver.cmux.errors import CmuxEnded, CmuxRefused
from atdriver.cmux.link import CmuxLink, DlcLink, Multiplexer, multiplexed
from atdriver.cmux.mux import Mux

__all__ = ["CmuxEnded", "CmuxLink", "CmuxRefused", "DlcLink", "Multiplexer", "Mux", "multiplexed"]
