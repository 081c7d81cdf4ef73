"""Which metrics share a chart."""

import pytest

from mlpwatch.tui.metrics.grouping import MetricChart, charts_of, matching


def grouped(*names: str, prefixes: tuple[str, ...] = ()) -> dict[str, list[str]]:
    return {
        chart.title: [label for _, label in chart.curves] for chart in charts_of(names, prefixes)
    }


@pytest.mark.parametrize(
    ("names", "title", "labels"),
    [
        (("train/loss", "val/loss"), "loss", ["train", "val"]),
        (("Loss/test", "Loss/train"), "Loss", ["train", "test"]),
        (("loss", "val_loss"), "loss", ["train", "val"]),
        (("train_loss_step", "train_loss_epoch", "val_loss"), "loss",
         ["train step", "train epoch", "val"]),
        (("train/grad/norm", "eval/grad/norm"), "grad/norm", ["train", "eval"]),
        (("accuracy_train", "accuracy-valid"), "accuracy", ["train", "valid"]),
    ],
)  # fmt: skip
def test_one_number_of_training_and_validation_shares_a_chart(
    names: tuple[str, ...], title: str, labels: list[str]
) -> None:
    assert grouped(*names) == {title: labels}


def test_words_that_only_begin_like_a_part_are_names() -> None:
    assert list(grouped("training_time", "latest", "value", "test")) == [
        "time",
        "latest",
        "value",
        "test",
    ]


def test_runs_in_folders_are_curves_of_one_chart() -> None:
    found = grouped("v0/train_loss", "v1/train_loss", "v1/lr", prefixes=("v0", "v1"))
    assert found == {"loss": ["v0 train", "v1 train"], "lr": ["v1"]}


def test_losses_come_first_and_a_prefix_stays_together() -> None:
    names = ("grad/1", "lr", "grad/2", "val/accuracy", "aux/loss", "train/loss")
    assert list(grouped(*names)) == ["aux/loss", "loss", "accuracy", "grad/1", "grad/2", "lr"]


def test_many_curves_have_several_charts() -> None:
    names = tuple(f"v{n}/loss" for n in range(8))
    found = grouped(*names, prefixes=tuple(f"v{n}" for n in range(8)))
    assert {title: len(labels) for title, labels in found.items()} == {
        "loss (1 of 2)": 6, "loss (2 of 2)": 2,
    }  # fmt: skip


def test_words_of_the_filter_choose_curves() -> None:
    charts = charts_of(("train/loss", "val/loss", "lr"))
    assert matching(charts, "VAL loss") == [MetricChart("loss", (("val/loss", "val"),))]
    assert matching(charts, "") == list(charts)
    assert matching(charts, "nothing") == []
