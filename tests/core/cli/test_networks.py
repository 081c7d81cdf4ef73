"""What a user's files say becomes the run's settings, or is refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from mlpwatch.core.cli.networks import check_same, with_networks
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.network.users.fitting import fitted_config
from tests.support.network_files import NetworkFile
from tests.support.samples.user_networks import TORCH_FILE

SQUARED = TORCH_FILE.format(features=64).replace("Linear(4, 3)", "Linear(4, 10)").replace(
    "return self.second(torch.tanh(self.first(x)))",
    "return torch.sigmoid(self.second(torch.sigmoid(self.first(x))))",
).replace('    activation = "tanh"\n', "") + '''

def loss(outputs, labels):
    return nn.MSELoss()(outputs, nn.functional.one_hot(labels, 10).to(outputs.dtype))


def optimizer(parameters):
    return torch.optim.SGD(parameters, lr=0.5, momentum=0.9)
'''  # fmt: skip


def given(folder: Path, numpy: str = "", torch: str = "", **options: Any) -> RunConfig:  # noqa: ANN401
    """Return the settings of a run with these files' texts."""
    files = []
    for name, text in (("net.py", numpy), ("model.py", torch)):
        (folder / name).write_text(text)
        files.append(str(folder / name) if text else None)
    return with_networks(options.pop("recipe", "twin"), {}, options, *files)


def test_what_a_file_says_becomes_the_settings_and_options_win(tmp_path: Path) -> None:
    text = NetworkFile((16,), "tanh", "mse", layout="columns").source()
    config = given(tmp_path, text)
    assert (config.hidden, config.activation, config.loss) == ((16,), "tanh", "mse")
    assert config.dtype == "float64"
    assert config.network is not None
    assert config.network.spec.layout == "columns"
    assert config.network.source == text.encode()
    config = given(tmp_path, text, hidden=(8, 4), activation="relu", dtype="float32")
    assert (config.hidden, config.activation, config.dtype) == ((8, 4), "relu", "float32")


def test_what_files_do_not_say_is_found_by_trying(tmp_path: Path) -> None:
    silent = NetworkFile((16,), "sigmoid", output="logits").source()
    for word in ("hidden", "activation", "loss", "output"):
        silent = "\n".join(line for line in silent.splitlines() if f"    {word} = " not in line)
    config = fitted_config(given(tmp_path, silent), 64, 10)
    assert config.network is not None
    found = config.activation, config.loss, config.network.spec.output
    assert found == ("sigmoid", "cross-entropy", "logits")
    config = fitted_config(given(tmp_path, torch=SQUARED), 64, 10)
    assert config.network_torch is not None
    found = config.activation, config.loss, config.network_torch.spec.output
    assert found == ("sigmoid", "mse", "probabilities")
    assert (config.torch_loss_mean, config.hidden) == ("element", (4,))
    assert (config.optimizer, config.learning_rate) == ("momentum", 0.5)


@pytest.mark.parametrize("file", [
    NetworkFile((16,), "sigmoid", "half-mse"),
    NetworkFile((16,), "relu", "bce", output="logits"),
    NetworkFile((16,), "tanh", "mse", output_activation="linear"),
    NetworkFile((16,), "tanh", "mse", output_activation="softmax", style="functions"),
], ids=lambda file: f"{file.loss}-{file.function}")  # fmt: skip
def test_every_loss_and_output_of_a_file_becomes_the_settings(
    file: NetworkFile, tmp_path: Path
) -> None:
    config = given(tmp_path, file.source())
    assert (config.loss, config.output_function) == (file.loss, file.function)
    if file.loss != "half-mse":
        # And is found where the file does not say it.
        silent = [
            line for line in file.source().splitlines()
            if not any(f"{word} = " in line for word in ("loss", "output_activation", "output"))
        ]  # fmt: skip
        found = fitted_config(given(tmp_path, "\n".join(silent)), 64, 10)
        assert (found.loss, found.output_function) == (file.loss, file.function)
        assert found.network is not None
        is_shown = file.output == "logits" and file.function != "linear"
        assert found.network.spec.output == ("logits" if is_shown else found.network.spec.output)


def test_a_slope_of_the_file_becomes_the_settings(tmp_path: Path) -> None:
    text = NetworkFile((16,), "leaky-relu").source().replace("0.01", "0.2")
    config = given(tmp_path, text.replace("    hidden", "    negative_slope = 0.2\n    hidden"))
    assert (config.activation, config.negative_slope) == ("leaky-relu", 0.2)


def made(optimizer: str) -> str:
    """Return a PyTorch file that makes this optimizer of `torch.optim`."""
    file = TORCH_FILE.format(features=64).replace("Linear(4, 3)", "Linear(4, 10)")
    return f"{file}\n\ndef optimizer(parameters):\n    return torch.optim.{optimizer}\n"


WITHOUT_BIAS = (
    TORCH_FILE.format(features=64)
    .replace("Linear(64, 4)", "Linear(64, 4, bias=False)")
    .replace("Linear(4, 3)", "Linear(4, 10, bias=False)")
)
NORMED = TORCH_FILE.format(features=64).replace(
    "        self.second", "        self.norm = nn.BatchNorm1d(4)\n        self.second"
)


def test_a_file_without_biases_or_with_bytes_trains_beside_ours(tmp_path: Path) -> None:
    text = (
        NetworkFile()
        .source()
        .replace("    hidden", "    bias, pixels = False, '0..255'\n    hidden")
    )
    config = given(tmp_path, text)
    assert (config.bias, config.pixel_range) == (False, "0..255")
    assert config.network is not None
    assert (config.network.spec.bias, config.network.spec.pixels) == (False, "0..255")
    config = fitted_config(given(tmp_path, torch=WITHOUT_BIAS), 64, 10)
    assert (config.bias, config.activation, config.loss) == (False, "tanh", "cross-entropy")
    # One of two with biases: the reference has them, and names the one without.
    both = given(tmp_path, NetworkFile((4,)).source(), WITHOUT_BIAS)
    assert both.bias
    assert both.network is not None
    assert both.network.spec.bias
    # A NumPy file does what the command line says.
    off = given(tmp_path, NetworkFile().source(), bias=False)
    assert off.network is not None
    assert not off.network.spec.bias


@pytest.mark.parametrize(("optimizer", "expected"), [
    ("AdamW(parameters, lr=0.003)", ("adamw", 0.003, 0.9, 0.01)),
    ("Adam(parameters, weight_decay=0.1)", ("adam", 0.001, 0.9, 0.1)),
    ("RMSprop(parameters)", ("rmsprop", 0.01, 0.9, 0.0)),
    ("SGD(parameters, 0.2)", ("sgd", 0.2, 0.9, 0.0)),
    ("SGD(parameters, 0.2, momentum=0.8)", ("momentum", 0.2, 0.8, 0.0)),
    ("SGD(parameters, 0.2, momentum=0.8, nesterov=True)", ("nesterov", 0.2, 0.8, 0.0)),
])  # fmt: skip
def test_an_optimizer_that_we_have_becomes_the_settings(
    optimizer: str, expected: tuple[str, float, float, float], tmp_path: Path
) -> None:
    config = given(tmp_path, torch=made(optimizer))
    found = config.optimizer, config.learning_rate, config.momentum, config.weight_decay
    assert found == expected
    assert config.network_torch is not None
    assert config.network_torch.is_exact


def test_an_optimizer_of_their_own_beside_another_of_ours_resumes_without_its_memory(
    tmp_path: Path,
) -> None:
    config = given(tmp_path, torch=made("Adagrad(parameters)"), optimizer="sgd")
    assert config.network_torch is not None
    assert not config.network_torch.is_exact
    config = given(tmp_path, torch=made("AdamW(parameters)"), optimizer="sgd")
    assert config.network_torch is not None
    assert not config.network_torch.is_exact
    config = given(tmp_path, torch=made("Adam(parameters, amsgrad=True)"), only="torch")
    assert config.network_torch is not None
    assert not config.network_torch.is_exact
    config = given(tmp_path, torch=made("Adam(parameters, betas=(0.8, 0.9))"), only="torch")
    assert config.network_torch is not None
    assert config.network_torch.is_exact


@pytest.mark.parametrize("call", [
    "nn.LeakyReLU(0.2)(x)", "nn.LeakyReLU(negative_slope=0.2, inplace=True)(x)",
    "nn.functional.leaky_relu(x, 0.2)", "nn.functional.leaky_relu(x, negative_slope=0.2)",
])  # fmt: skip
def test_the_slope_of_a_leaky_relu_is_read_from_a_pytorch_file(call: str, tmp_path: Path) -> None:
    text = TORCH_FILE.format(features=64).replace("Linear(4, 3)", "Linear(4, 10)")
    text = text.replace('    activation = "tanh"\n', "").replace(
        "torch.tanh(self.first(x))", call.replace("(x", "(self.first(x)")
    )
    config = fitted_config(given(tmp_path, torch=text), 64, 10)
    assert (config.activation, config.negative_slope) == ("leaky-relu", 0.2)


@pytest.mark.parametrize(("files", "options", "words"), [
    ({"numpy": NetworkFile().source().replace("'sigmoid'", "'swish'")}, {},
     "net.py: activation = 'swish': expected one of relu"),
    ({"numpy": NetworkFile(loss="half-mse").source().replace("'half-mse'", "'hinge'")}, {},
     "net.py: loss = 'hinge': expected one of cross-entropy, mse, half-mse, bce"),
    ({"numpy": NetworkFile().source().replace("    hidden", "    negative_slope = 7\n    hidden")},
     {}, "net.py: negative_slope = 7: expected a number from 0 to 1, like 0.01"),
    ({"numpy": NetworkFile(output_activation="softmax").source().replace("'softmax'", "'linear'")},
     {}, "output_activation 'linear' with loss 'cross-entropy': it takes the logarithm"),
    ({"numpy": "def f(:"}, {}, "net.py line 1: SyntaxError"),
    ({"numpy": "import nowhere_at_all\n"}, {}, "net.py line 1: ModuleNotFoundError"),
    ({"numpy": "x = 1\n"}, {}, "net.py: no network found; expected a class"),
    ({"numpy": NetworkFile().source()}, {"only": "torch"}, "--only torch leaves no place for it"),
    ({"torch": NetworkFile().source()}, {}, "model.py: has no PyTorch module; give it with --net"),
    ({"numpy": TORCH_FILE.format(features=64)}, {}, "is a PyTorch module; give it with --torch"),
    ({"torch": TORCH_FILE.format(features=64)}, {"hidden": (5,)}, "--hidden 5: model.py has 4"),
    ({"numpy": NetworkFile((9,)).source(), "torch": TORCH_FILE.format(features=64)}, {},
     "hidden 9: model.py has 4; both networks need the same widths"),
    ({"torch": made("Adagrad(parameters)")}, {}, "optimizer Adagrad: mlpwatch's NumPy has sgd, "
     "momentum, nesterov, rmsprop, adam, adamw; choose one with --optimizer, or give a file"),
    ({"torch": NORMED}, {}, "norm.weight belongs to no linear layer"),
    ({"torch": TORCH_FILE.format(features=64)}, {"device": "cuda"}, "--device cuda"),
    ({"numpy": NetworkFile().source()}, {"recipe": "best"}, "recipe 'best': it drops units"),
    ({"torch": WITHOUT_BIAS}, {"bias": True}, "--bias on: model.py has none; leave it out, or"),
    ({"torch": WITHOUT_BIAS.replace("10, bias=False", "10")}, {},
     "model.py: bias=True in nn.Linear 1, bias=False in nn.Linear 0; mlpwatch's NumPy has biases "
     "in all layers or in none; give a file for --network, too, or --only torch"),
    ({"torch": made("Adam(parameters, betas=(0.8, 0.99))")}, {},
     "model.py: optimizer Adam with betas=(0.8, 0.99): mlpwatch's NumPy has betas=(0.9, 0.999); "
     "take that in the file, too, choose one for mlpwatch's NumPy with --optimizer, or give a "
     "file for --network, too, or --only torch"),
    ({"torch": made("SGD(parameters, 0.1, 0.9, dampening=0.5)")}, {},
     "optimizer SGD with dampening=0.5: mlpwatch's NumPy has dampening=0"),
    ({"torch": made("RMSprop(parameters, alpha=0.9, eps=1e-7)")}, {},
     "RMSprop with alpha=0.9, eps=1e-07: mlpwatch's NumPy has alpha=0.99, eps=1e-08"),
    ({"torch": made("Adam(parameters, amsgrad=True)"), "numpy": NetworkFile((4,)).source()}, {},
     "Adam with amsgrad=True: net.py has amsgrad=False; take that in the file, too, choose one "
     "for net.py with --optimizer, or give net.py an update of its own"),
    ({"torch": made("SGD([{'params': parameters[::2], 'weight_decay': 0.1}, "
                    "{'params': parameters[1::2]}], lr=0.1)")}, {},
     "optimizer SGD with param_groups=2: mlpwatch's NumPy has param_groups=1"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(
    files: dict[str, str], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        given(tmp_path, **files, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_module_of_other_widths_than_the_data_is_refused(tmp_path: Path) -> None:
    config = given(tmp_path, torch=TORCH_FILE.format(features=64))
    with pytest.raises(InputError, match="takes 64 inputs; the data has 784 pixels"):
        fitted_config(config, 784, 3)
    with pytest.raises(InputError, match="has 3 outputs; the data has 10 classes"):
        fitted_config(config, 64, 10)


def test_a_resumed_run_takes_no_other_file(tmp_path: Path) -> None:
    config = given(tmp_path, NetworkFile().source())
    path = tmp_path / "net.py"
    check_same(config, {"numpy": str(path), "torch": None})
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=r"trains a copy of net\.py as it was"):
        check_same(config, {"numpy": str(path), "torch": None})
    with pytest.raises(InputError, match="trains mlpwatch's PyTorch"):
        check_same(config, {"numpy": None, "torch": str(path)})
