"""Handlers and metrics that MONAI and Ignite lack."""

from .batch_metrics import BatchDiceMetric, BatchLossMetric
from .calibrator import Calibrator
from .checkpoint_saver import AtomicCheckpointSaver
from .early_stop import ResumableEarlyStop
from .evaluation_report import EvaluationReport
from .folder_guard import FolderGuard
from .gradient_check import GradientCheck
from .gradient_clipper import GradientClipper
from .hparams import TensorBoardHparams
from .made_with import made_with
from .mean_score import MeanScore
from .overlays import OverlayHandler, TensorBoardOverlayHandler
from .prediction_table import PredictionTable
from .progress import Progress
from .training_state import TrainingState

__all__ = [
    "AtomicCheckpointSaver",
    "BatchDiceMetric",
    "BatchLossMetric",
    "Calibrator",
    "EvaluationReport",
    "FolderGuard",
    "GradientCheck",
    "GradientClipper",
    "MeanScore",
    "OverlayHandler",
    "PredictionTable",
    "Progress",
    "ResumableEarlyStop",
    "TensorBoardHparams",
    "TensorBoardOverlayHandler",
    "TrainingState",
    "made_with",
]
