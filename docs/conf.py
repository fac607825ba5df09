"""Settings of Sphinx for the API pages: ``python -m sphinx -W -b html docs build/docs``, as in scripts/test.sh."""

import monai_vlsm

project = "monai_vlsm"
author = "The monai_vlsm developers"
project_copyright = author
version = release = monai_vlsm.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
# A name of ours in a docstring must be on the pages. Other packages have pages of their own, private names have none.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!monai_vlsm)\w+\W.*"), ("py:.*", r".*\._.+"), ("py:class", "Path|ConfigParser")]
