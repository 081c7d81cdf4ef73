"""One table knows every data set: a name, what it is, its checks, its loader, its normalisation."""

from typing import get_args

import numpy as np
import pytest

from mlpwatch.core.data import registry
from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.data.digits import DIGITS
from mlpwatch.core.data.raw_data import RawData, check_part, combine_parts
from mlpwatch.core.data.registry import SOURCES, check_source, resolve_source, sources_for
from mlpwatch.core.data.source import DataSource, NormalisationName
from mlpwatch.core.errors import DataError


def load_stripes(_seed: int) -> RawData:
    images = np.zeros((60, 4, 4), np.uint8)
    labels = np.arange(60) % 2
    images[labels == 0, 0], images[labels == 1, 3] = 200, 200
    part = check_part(("stripes", "stripes"), images, labels)
    return combine_parts("stripes", "stripes", part, None, "full-height")


def absent() -> None:
    raise DataError("data 'stripes': not here")


STRIPES = DataSource("stripes", "two bars", lambda: None, load_stripes, "full-height")


def test_names_are_their_own_and_normalisations_are_known() -> None:
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.summary.isprintable()
        assert source.normalisation in get_args(NormalisationName)


def test_a_new_data_set_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SOURCES", {"stripes": STRIPES, "digits": DIGITS})
    monkeypatch.setattr("mlpwatch.core.data.readers.loaders.SOURCES", registry.SOURCES)
    check_source("stripes")
    assert sources_for("auto") == ("stripes", "digits")
    dataset = load_dataset("auto", 0, "0..1")
    assert (dataset.name, dataset.normalisation, dataset.classes) == ("stripes", "full-height", 2)


def test_auto_passes_over_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = DataSource("stripes", "two bars", absent, load_stripes, "full-height")
    monkeypatch.setattr(registry, "SOURCES", {"stripes": missing, "digits": DIGITS})
    assert resolve_source("auto") == "digits"
    with pytest.raises(DataError, match="not here"):
        check_source("stripes")


def test_a_name_that_is_almost_one_is_asked_about() -> None:
    with pytest.raises(DataError, match=r"'minst'.*did you mean mnist\? expected auto, mnist, dig"):
        check_source("minst")
