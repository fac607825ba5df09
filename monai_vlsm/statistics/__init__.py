"""Intervals, rankings and paired comparisons of scores per case; numpy and scipy only."""

from monai_vlsm.statistics.absence import rank_presence
from monai_vlsm.statistics.intervals import group_means, summarize
from monai_vlsm.statistics.paired import Paired, compare_paired, holm
from monai_vlsm.statistics.ranking import auroc, false_positive_rate, highest_cut, risk_coverage
from monai_vlsm.statistics.selection import rank_cases

__all__ = [
    "Paired",
    "auroc",
    "compare_paired",
    "false_positive_rate",
    "group_means",
    "highest_cut",
    "holm",
    "rank_cases",
    "rank_presence",
    "risk_coverage",
    "summarize",
]
