"""A report's files on disk: whole, durable, the same twice, or an error and no trace."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from reports.render import FORMATS, render
from services.errors import OutputUnwritable, SettingInvalid
from tests.reports import report_samples

LIGHT = ("md", "json")


def test_all_formats_are_written_the_same_twice(report, tmp_path) -> None:
    """Five files, each described as it lies on disk, and equal in another folder."""
    first = render(report, report_samples.TABLES, FORMATS, tmp_path / "a" / "b")
    second = render(report, report_samples.TABLES, FORMATS, tmp_path / "c")

    assert [f"report.{name}" for name in FORMATS] == [file.path.name for file in first]
    assert [file.sha256 for file in first] == [file.sha256 for file in second]
    for file in first:
        content = file.path.read_bytes()
        assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))


def test_only_the_formats_asked_for_are_written(report, tmp_path) -> None:
    """A format asked for twice is written once."""
    render(report, {}, ("md", "json", "md"), tmp_path)

    assert ["report.json", "report.md"] == sorted(path.name for path in tmp_path.iterdir())


def test_an_unknown_format_is_refused_before_anything_is_written(report, tmp_path) -> None:
    """The error names the formats there are."""
    with pytest.raises(SettingInvalid) as caught:
        render(report, {}, ("md", "docx"), tmp_path / "new")

    assert "html, pdf, xlsx, md, json" in caught.value.hint
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_of_the_folder_is_an_error(report, tmp_path) -> None:
    """A file of the folder's name is left alone."""
    (tmp_path / "out").write_text("mine")

    with pytest.raises(OutputUnwritable):
        render(report, {}, LIGHT, tmp_path / "out")

    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_leaves_the_others_as_they_were(report, tmp_path) -> None:
    """Either all files are replaced or none, and no part stays behind."""
    (tmp_path / "report.md").write_text("before")
    (tmp_path / "report.json").mkdir()

    with pytest.raises(OutputUnwritable, match="in the way"):
        render(report, {}, LIGHT, tmp_path)

    assert (tmp_path / "report.md").read_text() == "before"
    assert {"report.json", "report.md"} == {path.name for path in tmp_path.iterdir()}


def test_a_full_disk_leaves_nothing_half_written(report, tmp_path, monkeypatch) -> None:
    """When the disk refuses a file, the error says so and parts are removed."""

    def refuse(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(OutputUnwritable, match="no space is left"):
        render(report, {}, LIGHT, tmp_path)

    assert [] == list(tmp_path.iterdir())
