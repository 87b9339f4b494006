"""Files of other libraries that claim more than they hold."""

from __future__ import annotations

import zipfile

import pytest
import torch

from lect.errors import ComponentError
from lect.exchange.contents import read_tensor, read_tensors


def repacked(source, target, method):
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w", method) as made:
        for entry in given.infolist():
            made.writestr(entry.filename, given.read(entry))


def test_an_archive_that_unpacks_to_far_more_than_it_is(tmp_path):
    torch.save({"a": torch.zeros(2**25)}, tmp_path / "plain.bin")
    repacked(tmp_path / "plain.bin", tmp_path / "small.bin", zipfile.ZIP_DEFLATED)
    assert (tmp_path / "small.bin").stat().st_size < 10**6
    for read in (read_tensors, read_tensor):
        with pytest.raises(ComponentError, match="would unpack to 134,2"):
            read(tmp_path / "small.bin")
    assert read_tensors(tmp_path / "plain.bin")["a"].shape == (2**25,)


def test_an_archive_that_is_packed_and_holds_what_it_says(tmp_path):
    torch.save({"a": torch.arange(5.0)}, tmp_path / "plain.bin")
    repacked(tmp_path / "plain.bin", tmp_path / "packed.bin", zipfile.ZIP_DEFLATED)
    assert read_tensors(tmp_path / "packed.bin")["a"].tolist() == [0, 1, 2, 3, 4]


def test_a_view_that_claims_a_shape(tmp_path):
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "view.bin")
    with pytest.raises(ComponentError, match="not the values for it"):
        read_tensors(tmp_path / "view.bin")
    torch.save(torch.zeros(1).expand(10**6, 10**6), tmp_path / "one.bin")
    with pytest.raises(ComponentError, match="not the values for it"):
        read_tensor(tmp_path / "one.bin")
