"""MONAI Label: the folder of an app that serves bundles, and the code in it."""
