"""The cure: plan (data that prints), apply (on a copy), verify (before anything is written).

The function has the package's name, so it is imported from here: `from flatfield.cure import cure`. At the top level
`flatfield.cure` is this package, and stays that: an attribute that is a function until somebody imports a submodule,
and the package from then on, would be no interface.
"""

from flatfield.cure.curing import Cured, cure
from flatfield.cure.examples import Examples
from flatfield.cure.promises import CureError

__all__ = ["CureError", "Cured", "Examples", "cure"]
