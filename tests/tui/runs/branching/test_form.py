"""The form of a branch: what is typed and chosen becomes settings, and what can't be is said."""

from dataclasses import fields, replace

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.treatment import Treatment
from mlpwatch.tui.runs.branching.form import (
    EPOCH,
    FATE,
    GROUPS,
    MODELS,
    NAME,
    BranchForm,
    changes_text,
)

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=4, patience=3)
KEPT = [0, 1, 2, 4]


def form(config: RunConfig = CONFIG, *, here: str = "old") -> BranchForm:
    return BranchForm(config, KEPT, 2, taken={"old"}, here=here)


def put(one: BranchForm, key: str, text: str) -> BranchForm:
    one.cursor = next(n for n, row in enumerate(one.rows) if row.key == key)
    one.move(0)
    if not text:
        for _ in one.texts[key]:
            one.erase()
    for character in text:
        one.type(character)
    return one


def test_without_a_change_it_is_the_parent_from_the_proposed_epoch() -> None:
    plan = form().plan()
    assert (plan.epoch, plan.config, plan.name, plan.fate) == (2, CONFIG, None, "ends")
    assert form().effect() == "from epoch 2, 2 more epochs: nothing changed"


def test_what_is_typed_replaces_the_value_and_is_said_before_it_is_done() -> None:
    one = put(put(form(), "dropout", "0.5"), "epochs", "9")
    assert one.plan().config == replace(CONFIG, dropout=0.5, epochs=9)
    assert one.effect() == ("from epoch 2, 7 more epochs: dropout 0.5 (was 0.0), epochs 9 (was 4)")
    one.erase()
    one.type("7")
    assert one.texts["epochs"] == "7"
    one.clear()
    assert one.texts["epochs"] == "4", "the parent's again"


def test_choices_are_turned_and_chosen_by_their_first_letter() -> None:
    one = put(form(), "optimizer", "")
    one.turn(1)
    assert one.plan().config.optimizer == "momentum"
    one.turn(-1)
    one.turn(-1)
    assert one.texts["optimizer"] == "adamw", "they go round"
    one.type("a")
    assert one.texts["optimizer"] == "adam"
    put(one, MODELS, "N")
    assert one.plan().config.only == "numpy"
    put(one, FATE, "t")
    assert one.plan().fate == "trains on"
    put(one, FATE, "s")
    assert one.plan().fate == "stays paused"


def test_arrows_double_and_halve_the_rate_and_go_through_the_kept_epochs() -> None:
    one = put(form(), "learning_rate", "0.1")
    one.turn(-1)
    assert one.plan().config.learning_rate == 0.05
    one.turn(1)
    one.turn(1)
    assert one.plan().config.learning_rate == 0.2
    one.cursor = 0
    one.turn(-1)
    assert one.texts[EPOCH] == "1"
    for _ in range(3):
        one.turn(1)
    assert one.texts[EPOCH] == "4", "the last"


def test_an_empty_value_is_none_where_there_may_be_none() -> None:
    assert put(form(), "patience", "").plan().config.patience is None
    assert "expected a number" in put(form(), "dropout", "").fault()


@pytest.mark.parametrize(
    ("key", "typed", "said"),
    [
        (EPOCH, "3", "epoch 3 is not kept; kept are 0-2, 4"),
        (EPOCH, "4", "epochs 4: give more, since 4 are done"),
        (EPOCH, "x", "from epoch 'x': expected a whole number"),
        (NAME, "a/b", "it contains a path separator"),
        (NAME, "old", "name 'old': taken"),
        ("dropout", "2", "dropout 2.0: expected a share from 0 to below 1"),
        ("momentum", "fast", "momentum 'fast': expected a number"),
        ("batch_size", "0", "batch size 0: expected a whole number"),
        ("seed", "0.5", "seed '0.5': expected a whole number"),
    ],
)
def test_what_can_not_be_is_said(key: str, typed: str, said: str) -> None:
    assert said in put(form(), key, typed).fault()


def test_what_is_decided_already_has_no_row() -> None:
    keys = {row.key for row in form(replace(CONFIG, only="torch"), here="").rows}
    assert keys == {EPOCH, NAME, MODELS, *(name for names in GROUPS.values() for name in names)}
    assert not keys & {"hidden", "dtype", "initialization", "recipe", "only"}


def test_each_setting_has_a_row_or_belongs_to_the_weights_of_the_parent() -> None:
    rows = {name for names in GROUPS.values() for name in names}
    fixed = {
        "bias", "data", "dtype", "hidden", "initialization", "network", "network_torch", "only",
        "recipe", "treatment",
    }  # fmt: skip
    assert {one.name for one in fields(RunConfig)} == rows | fixed
    assert not rows & fixed


def test_against_the_parent_what_changes_is_the_treatment() -> None:
    one = put(put(put(form(), "dropout", "0.5"), "epochs", "9"), MODELS, "t")
    assert one.plan().config == replace(
        CONFIG, epochs=9, treatment=Treatment("numpy", (("dropout", 0.5),))
    )
    assert one.effect() == (
        "from epoch 2, 7 more epochs: both: epochs 9 (was 4); "
        "left control, right treatment: dropout 0.5 (was 0.0)"
    )
    one = put(form(replace(CONFIG, only="torch")), MODELS, "t")
    assert one.plan().config == replace(CONFIG, treatment=Treatment("torch"))
    assert one.effect().endswith("left control, right treatment: nothing changed")


def test_a_control_and_its_treatment_stay_what_they_are() -> None:
    config = replace(CONFIG, treatment=Treatment("numpy", (("dropout", 0.5),)))
    one = put(form(config), "learning_rate", "0.2")
    assert not {MODELS, "dropout"} & {row.key for row in one.rows}
    assert one.plan().config == replace(config, learning_rate=0.2)
    assert "learning rate 0.2 (was 0.3)" in one.effect()
    files = replace(CONFIG, network=NetworkFile("net.py", "0" * 64))
    models = next(row for row in form(files).rows if row.key == MODELS)
    assert "treatment" not in models.choices


def test_an_output_activation_is_chosen_or_left_to_the_loss() -> None:
    one = put(form(), "output_activation", "s")
    assert one.plan().config.output_activation == "softmax"
    one.clear()
    assert one.plan().config.output_activation is None


def test_groups_are_gone_through() -> None:
    one = form()
    one.next_group()
    assert one.row.key == "learning_rate"
    one.next_group()
    assert one.row.key == "dropout"
    for _ in range(4):
        one.next_group()
    assert one.row.key == EPOCH, "after the last the first"
    one.move(99)
    assert one.row.key == "history"


def test_a_proposal_begins_with_its_changes() -> None:
    one = BranchForm(CONFIG, KEPT, 2, changes={"learning_rate": 0.15})
    assert one.plan().config == replace(CONFIG, learning_rate=0.15)
    assert changes_text(one.plan().config, CONFIG) == "learning rate 0.15 (was 0.3)"
