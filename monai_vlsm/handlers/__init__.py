"""Handlers that MONAI and Ignite lack, and the data set that they seed."""

from .checkpoint_saver import AtomicCheckpointSaver
from .early_stop import ResumableEarlyStop
from .evaluation_report import EvaluationReport
from .folder_guard import FolderGuard
from .gradient_clipper import GradientClipper
from .mean_score import MeanScore
from .overlays import OverlayHandler, TensorBoardOverlayHandler
from .progress import Progress
from .seeded_cache_dataset import SeededCacheDataset
from .training_state import TrainingState

__all__ = [
    "AtomicCheckpointSaver",
    "EvaluationReport",
    "FolderGuard",
    "GradientClipper",
    "MeanScore",
    "OverlayHandler",
    "Progress",
    "ResumableEarlyStop",
    "SeededCacheDataset",
    "TensorBoardOverlayHandler",
    "TrainingState",
]
