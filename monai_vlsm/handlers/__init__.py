"""Handlers that MONAI and Ignite lack."""

from .checkpoints import AtomicCheckpointSaver, ResumableEarlyStop, TrainingState
from .evaluation_report import EvaluationReport
from .gradient_clipper import GradientClipper
from .overlays import OverlayHandler, TensorBoardOverlayHandler
from .progress import Progress

__all__ = [
    "AtomicCheckpointSaver",
    "EvaluationReport",
    "GradientClipper",
    "OverlayHandler",
    "Progress",
    "ResumableEarlyStop",
    "TensorBoardOverlayHandler",
    "TrainingState",
]
