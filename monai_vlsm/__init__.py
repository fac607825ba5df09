"""Text-prompted medical image segmentation: VLSM-Adapter as a MONAI plugin."""

import sys

# Python looks for modules in the working directory first when it runs ``python -m monai_vlsm``, whose argument is
# still "-m" at this point. That may be the folder of a stranger's bundle, and hold a torch.py.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]
