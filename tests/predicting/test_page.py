"""The page to look through results."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from predicting.conftest import write_picture

from monai_vlsm.predicting import page
from monai_vlsm.predicting.case import segment_case
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.page import write_page
from monai_vlsm.predicting.sources import find_sources


@pytest.fixture
def plan(plan):
    return replace(plan, thumbnails=True)


@pytest.fixture
def html(predictor, plan):
    """Segment images, and return the page."""

    def write(folder, prompts, plan=plan):
        jobs = make_jobs(find_sources([folder]), prompts)
        for job in jobs:
            segment_case(predictor, job, plan)
        write_page(jobs, plan)
        return (plan.folder / "results.html").read_text(encoding="utf-8")

    return write


def test_every_image_has_a_thumbnail_that_is_loaded_when_it_comes_near(html, pictures, plan):
    found = re.findall(r'<img src="([^"]+)"[^>]* loading="lazy"', html(pictures, ["cyst"]))
    assert sorted(found) == ["thumbnails/a.jpg", "thumbnails/b.jpg", "thumbnails/more/c.jpg"]
    assert all((plan.folder / file).is_file() for file in found)


def test_the_page_loads_nothing_from_elsewhere(html, pictures):
    text = html(pictures, ["cyst"])
    assert "default-src &#x27;none&#x27;; img-src &#x27;self&#x27; data:;" in text
    assert not re.search(r"<script|https?://|javascript:", text)


def test_names_and_prompts_are_text_and_addresses(html, pictures):
    write_picture(pictures / "<b>&'#?%.png")
    text = html(pictures, ["<script>alert(1)</script>"])
    assert "<script" not in text
    assert "thumbnails/_b_%26%27%23_%25.jpg" in text


def test_what_failed_is_told_with_its_reason(html, pictures):
    (pictures / "b.jpg").write_bytes(b"")
    text = html(pictures, ["cyst"])
    assert "Not segmented" in text
    assert "it is no picture" in text


def test_doubtful_masks_come_first(html, pictures, plan):
    doubtful = html(pictures, ["cyst"], replace(plan, look_below=1.0))
    assert "To look at first" in doubtful
    assert "All others" not in doubtful
    assert "To look at first" not in html(pictures, ["cyst"], replace(plan, look_below=0.0))


def test_images_that_have_no_room_are_counted(html, pictures, monkeypatch):
    monkeypatch.setattr(page, "MOST_PICTURES", 2)
    text = html(pictures, ["cyst"])
    assert text.count("<img") == 2
    assert "1 more images are not shown" in text
