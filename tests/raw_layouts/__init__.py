"""Look-alikes of the raw files of every data set, with their quirks; drawn, so that no real image is in here.

A layout writes its files into a folder and returns the true mask (H, W) of every case by its key, the path of the
prepared mask without suffix. Objects are brighter than what is around them and lie at the top left.
"""

from .layouts import LAYOUTS
from .listed import kvasir_instrument, tn3k
from .medical import btmri, camus, camus_nifti, chexlocalize
from .nuclei import monuseg
from .other_forms import OTHER_FORMS

LAYOUTS |= {
    "btmri": btmri,
    "camus": camus,
    "chexlocalize": chexlocalize,
    "kvasir_instrument": kvasir_instrument,
    "monuseg": monuseg,
    "tn3k": tn3k,
}

__all__ = ["LAYOUTS", "OTHER_FORMS", "camus_nifti"]
