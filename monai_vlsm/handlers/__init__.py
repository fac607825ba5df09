"""Handlers, metrics and data sets that MONAI and Ignite lack."""

from .batch_metrics import BatchDiceMetric, BatchLossMetric
from .checkpoint_saver import AtomicCheckpointSaver
from .early_stop import ResumableEarlyStop
from .evaluation_report import EvaluationReport
from .folder_guard import FolderGuard
from .frozen_states import FrozenStatesDataset
from .gradient_clipper import GradientClipper
from .items import PairReader
from .mean_score import MeanScore
from .overlays import OverlayHandler, TensorBoardOverlayHandler
from .prepare_batch import PreparePixels
from .progress import Progress
from .seeded_cache_dataset import SeededCacheDataset
from .training_state import TrainingState

__all__ = [
    "AtomicCheckpointSaver",
    "BatchDiceMetric",
    "BatchLossMetric",
    "EvaluationReport",
    "FolderGuard",
    "FrozenStatesDataset",
    "GradientClipper",
    "MeanScore",
    "OverlayHandler",
    "PairReader",
    "PreparePixels",
    "Progress",
    "ResumableEarlyStop",
    "SeededCacheDataset",
    "TensorBoardOverlayHandler",
    "TrainingState",
]
