"""Handlers that MONAI and Ignite lack."""

from .checkpoint_saver import AtomicCheckpointSaver
from .early_stop import ResumableEarlyStop
from .evaluation_report import EvaluationReport
from .gradient_clipper import GradientClipper
from .overlays import OverlayHandler, TensorBoardOverlayHandler
from .progress import Progress
from .training_state import TrainingState

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
