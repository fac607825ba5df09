"""Prompts for each image in a file, and what is odd in it told by its line."""

from __future__ import annotations

import json
import os
import re

import pytest
from predicting.conftest import write_picture

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.predicting.job_file import read_jobs
from monai_vlsm.predicting.jobs import Ask


@pytest.fixture
def read(tmp_path):
    """Read a file of jobs with this content."""

    def read_text(content, name="jobs.csv", **options):
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(content)
        return read_jobs(tmp_path / name, "the default", **options)

    return read_text


def asked(jobs) -> dict[str, list[tuple[str, str, int]]]:
    return {job.source.name: [(ask.prompt, ask.label, ask.value) for ask in job.asks] for job in jobs}


def test_a_name_that_begins_as_that_of_a_home_does_is_a_name(read, tmp_path):
    (job,) = read("image\n~nobody.png\n")
    assert job.source.path == tmp_path / "~nobody.png"


TABLE = "image,prompt,label,value\na.png,a polyp,polyp,3\na.png,a tool,tool,1\nb/c.png,other polyp,polyp,\n"


def test_lines_of_an_image_are_asked_together_and_labels_have_one_value(read):
    expected = {"a": [("a polyp", "polyp", 3), ("a tool", "tool", 1)], "b/c": [("other polyp", "polyp", 3)]}
    assert asked(read(TABLE)) == expected


@pytest.mark.parametrize(
    "content",
    [
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        b"\xef\xbb\xbf" + TABLE.encode(),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("image,prompt", "Image, PROMPT"),
        TABLE + "\n,,,\n",
    ],
    ids=["semicolons", "tabs", "mark of UTF-8", "lines of Windows", "capitals", "empty lines"],
)
def test_tables_of_other_programs_say_the_same(read, content):
    assert asked(read(content)) == asked(read(TABLE))


def test_a_json_list_says_the_same(read):
    lines = [dict(zip(TABLE.split("\n")[0].split(","), row.split(","), strict=True)) for row in TABLE.split("\n")[1:4]]
    lines[0]["value"] = 3
    lines[2]["value"] = None
    assert asked(read(json.dumps(lines), "jobs.json")) == asked(read(TABLE))


def test_columns_but_the_image_may_be_missing(read):
    assert asked(read("image\na.png\n")) == {"a": [("the default", "", 1)]}
    assert asked(read("prompt,image\n,a.png\nx,b.png\n")) == {"a": [("the default", "", 1)], "b": [("x", "", 2)]}


def test_labels_without_a_value_get_the_smallest_that_are_free(read):
    table = "image,label,value\na.png,x,\na.png,y,2\na.png,z,\n"
    assert [ask.value for ask in read(table)[0].asks] == [1, 2, 3]


def test_paths_are_relative_to_the_file_or_absolute(read, tmp_path):
    inside, outside = tmp_path / "x.png", write_picture(tmp_path.parent / f"{tmp_path.name}_other" / "y.png")
    jobs = read(f"image\nx.png\n{outside}\n../{outside.parent.name}/z.png\n")
    assert [job.source.path for job in jobs] == [inside, outside, outside.parent / "z.png"]
    assert [job.source.name for job in jobs] == ["x", "y", "z"]


def test_two_spellings_of_a_path_are_one_image(read):
    (job,) = read("image,prompt\na.png,x\n./b/../a.png,y\n")
    assert job.asks == (Ask("x", "", 1), Ask("y", "", 2))


def test_a_quoted_prompt_may_hold_what_parts_cells(read):
    assert asked(read('image,prompt\na.png,"one, ""two""\nthree"\n'))["a"][0][0] == 'one, "two"\nthree'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "names no image"),
        ("image,prompt\n", "names no image"),
        ("a.png,polyp\n", "line 1: expected the columns image, prompt, label, value"),
        ("prompt\nx\n", "line 1: .* but 'image' is missing"),
        ("image,prompt,color\na,b,c\n", "line 1: .* but 'color' is none of them"),
        ("image,image\na,b\n", "line 1: .* but 'image' is none of them, or there twice"),
        ("image,prompt\na.png,x\nb.png,y,z\n", "line 3: expected 2 values .*, got 3"),
        ("image,prompt\na.png,x\nb.png\n", "line 3: expected 2 values .*, got 1"),
        ('image,prompt\na.png,"x\n', "it is no table"),
        ("image,prompt\n\n ,x\n", "line 3: 'image' is empty"),
        ("image,prompt\na.png,x\na.png,x\n", "line 3: it repeats line 2"),
        ("image,prompt,label\na.png,x,l\na.png,y,l\n", "line 3: it has the label 'l' of line 2"),
        ("image,label,value\na.png,x,0\n", "line 2: 'value' must be a whole number from 1 to 65535, not '0'"),
        ("image,label,value\na.png,x,65536\n", "line 2: 'value' must be"),
        ("image,label,value\na.png,x,1.5\n", "line 2: 'value' must be"),
        ("image,label,value\na.png,x,\u00b2\n", "line 2: 'value' must be"),
        ("image,label,value\na.png,x,1\nb.png,x,2\n", "line 3: the label 'x' has the value 1 further above, and 2"),
        ("image,label,value\na.png,x,1\nb.png,y,1\n", "line 3: the value 1 belongs to 'x' further above, and to 'y'"),
        ('image,label\na.png,"x\ny"\n', "'label' must be a name of at most 200 characters on one line"),
        (f"image,label\na.png,{'x' * 201}\n", "line 2: 'label' must be"),
        (f"image,prompt\na.png,{'x' * 5000}\n", "line 2: 'prompt' must be text of at most 1,000 characters"),
        (b"image,prompt\na.png,\xff\n", "is not in UTF-8"),
        ("image,prompt\na\0.png,x\n", "line 2|no table"),
    ],
)
def test_what_is_odd_in_a_table_is_told_with_its_line(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("{}", "expected a list of objects"),
        ('[{"image": "a"}, 5]', "entry 2: expected an object"),
        ('[{"image": "a", "image": "b"}]', "the key 'image' twice"),
        ('[{"image": 5}]', "entry 1: 'image' must be text"),
        ('[{"image": "a", "prompts": ["x"]}]', "entry 1: .*'prompts' is none of them"),
        ('[{"image": "a", "value": true}]', "entry 1: 'value' must be a whole number"),
        ('[{"image": "a", "value": 1e3}]', "entry 1: 'value' must be a whole number"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_what_is_odd_in_a_json_file_is_told_with_its_entry(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content, "jobs.json")


def test_a_pipe_is_refused(read, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"line 2: .* is neither a file nor a folder"):
        read("image\npipe.png\n")


def test_a_folder_that_is_no_series_is_refused(read, tmp_path):
    write_picture(tmp_path / "folder" / "a.png")
    with pytest.raises(DataError, match="expected one DICOM series in the folder"):
        read("image\nfolder\n")


def test_an_image_among_the_results_is_refused(read, tmp_path):
    with pytest.raises(DataError, match="lies in the folder of the results"):
        read("image\nout/a.png\n", out=tmp_path / "out")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=re.escape(str(tmp_path / "jobs.csv"))):
        read_jobs(tmp_path / "jobs.csv", "x")
