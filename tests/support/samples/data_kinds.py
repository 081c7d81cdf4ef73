"""Data files and folders as people have them: names, dtypes, layouts, packings."""

import gzip
import io
import pickle
import string
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.samples.sample_files import idx_bytes, npy_bytes

Array = NDArray[Any]
Write = Callable[[Path], None]
"""Makes the file or folder at a path."""

SIDE, TRAIN, TEST = 8, 120, 40


def pictures(labels: Array) -> NDArray[np.uint8]:
    """Return an image (n, 8, 8) for each label, with a bright row and column that tell it."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 60, (len(labels), SIDE, SIDE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label % SIDE, :] = 250
        image[:, label // SIDE] = 200
    return images


Y, YT = (np.arange(n, dtype=np.uint8) % 10 for n in (TRAIN, TEST))
X, XT = pictures(Y), pictures(YT)
ARRAYS: Mapping[str, Array] = {"x_train": X, "y_train": Y, "x_test": XT, "y_test": YT}

PUBLISHED = {
    "train-images-idx3-ubyte": idx_bytes(X),
    "train-labels-idx1-ubyte": idx_bytes(Y),
    "t10k-images-idx3-ubyte": idx_bytes(XT),
    "t10k-labels-idx1-ubyte": idx_bytes(YT),
}
QMNIST_LABELS = np.zeros((TRAIN, 8), ">i4")
QMNIST_LABELS[:, 0], QMNIST_LABELS[:, 1] = Y, np.arange(TRAIN)

ALPHABET = string.ascii_uppercase

HTML = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>"


def npz(**change: Array) -> Write:
    """Return what writes Keras' four arrays, some of them changed."""
    return lambda path: np.savez(path, **{**ARRAYS, **change})  # type: ignore[arg-type]


def labelled(train: Array, test: Array) -> Write:
    """Return what writes images of other labels."""
    return npz(x_train=pictures(train), y_train=train, x_test=pictures(test), y_test=test)


def only(*arrays: Array, **named: Array) -> Write:
    """Return what writes these arrays alone."""
    return lambda path: np.savez(path, *arrays, **named)  # type: ignore[arg-type]


def one(content: bytes) -> Write:
    """Return what writes one file."""
    return lambda path: _write(path, content)


def folder(files: Mapping[str, bytes]) -> Write:
    """Return what writes files below a folder."""

    def write(path: Path) -> None:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            _write(path / name, content)

    return write


def packed(files: Mapping[str, bytes], rename: Callable[[str], str] = str) -> dict[str, bytes]:
    """Return the files gzipped."""
    return {f"{rename(name)}.gz": gzip.compress(content) for name, content in files.items()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    """Return a gzipped tar of the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def streamed(path: Path) -> None:
    """Write an `.npz` as into a pipe: the sizes stand behind the data."""

    class Pipe(io.RawIOBase):
        def __init__(self, file: io.BufferedWriter) -> None:
            self._file = file

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:  # noqa: ANN401
            return self._file.write(data)

    with path.open("wb") as file, zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in ARRAYS.items():
            with archive.open(f"{name}.npy", "w") as member:
                member.write(npy_bytes(array))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _digits(change: Callable[[Array], Array]) -> Write:
    return npz(y_train=change(Y), y_test=change(YT))


def _images(change: Callable[[Array], Array]) -> Write:
    return npz(x_train=change(X), x_test=change(XT))


def _colour(images: Array) -> Array:
    return np.stack([images, images // 2, images // 3], axis=-1)


EYE = np.eye(10)

READ: Mapping[str, Write] = {
    "keras.npz": npz(),
    "numbered.npz": only(X, Y, XT, YT),
    "numbered images first.npz": only(X, XT, Y, YT),
    "numbered pair.npz": only(X, Y),
    "medmnist.npz": only(
        train_images=X, train_labels=Y[:, None], val_images=XT, val_labels=YT[:, None],
        test_images=XT, test_labels=YT[:, None],
    ),
    "capitals.npz": only(X_train=X, y_train=Y, X_test=XT, y_test=YT),
    "camel.npz": only(trainX=X, trainY=Y, testX=XT, testY=YT),
    "images and labels.npz": only(images=X, labels=Y),
    "data and target.npz": only(data=X, target=Y),
    "one-hot floats.npz": _digits(lambda y: EYE[y]),
    "one-hot bytes.npz": _digits(lambda y: EYE[y].astype(np.uint8)),
    "float labels.npz": _digits(lambda y: y.astype(np.float64)),
    "text labels.npz": _digits(lambda y: y.astype(np.int64).astype(str)),
    "byte text labels.npz": _digits(lambda y: y.astype("S1")),
    "labels in a row.npz": _digits(lambda y: y[None]),
    "boolean pixels.npz": _images(lambda x: x > 100),
    "half floats.npz": _images(lambda x: (x / 255).astype(np.float16)),
    "channel first.npz": _images(lambda x: x[:, None]),
    "channel last.npz": _images(lambda x: x[..., None]),
    "flat in a row.npz": _images(lambda x: x.reshape(len(x), 1, -1)),
    "flat in a column.npz": _images(lambda x: x.reshape(len(x), -1, 1)),
    "images last.npz": _images(lambda x: np.moveaxis(x, 0, -1)),
    "grey as rgb.npz": _images(lambda x: np.repeat(x[..., None], 3, -1)),
    "grey as rgb, channel first.npz": _images(lambda x: np.repeat(x[:, None], 3, 1)),
    "swapped.npz": npz(x_train=Y, y_train=X),
    "spaces – ü数.npz": npz(),
    "streamed.npz": streamed,
    "no suffix": one(zipped({f"{n}.npy": npy_bytes(a) for n, a in ARRAYS.items()})),
    "idx": folder(PUBLISHED),
    "idx gz": folder(packed(PUBLISHED)),
    "idx named gz": folder({f"{name}.gz": content for name, content in PUBLISHED.items()}),
    "idx gz named plain": folder({n.removesuffix(".gz"): c for n, c in packed(PUBLISHED).items()}),
    # As published: column by column.
    "emnist": folder(packed({
        "emnist-digits-train-images-idx3-ubyte": idx_bytes(X.transpose(0, 2, 1)),
        "emnist-digits-train-labels-idx1-ubyte": idx_bytes(Y),
        "emnist-digits-test-images-idx3-ubyte": idx_bytes(XT.transpose(0, 2, 1)),
        "emnist-digits-test-labels-idx1-ubyte": idx_bytes(YT),
    })),
    "kaggle": folder(
        {f"{name}/{name}": content for name, content in PUBLISHED.items()}
        | {name.replace("-idx", ".idx"): content for name, content in PUBLISHED.items()}
    ),
    "kaggle nested": folder({f"{name}/{name}": content for name, content in PUBLISHED.items()}),
    "torchvision": folder({f"MNIST/raw/{name}": content for name, content in PUBLISHED.items()}),
    "qmnist": folder(
        packed({
            "qmnist-train-images-idx3-ubyte": idx_bytes(X),
            "qmnist-train-labels-idx2-int": idx_bytes(QMNIST_LABELS),
        })
    ),
    "qmnist renamed": folder(PUBLISHED | {"train-labels-idx1-ubyte": idx_bytes(QMNIST_LABELS)}),
    "idx capitals": folder({name.upper(): content for name, content in PUBLISHED.items()}),
    "idx txt": folder({f"{name}.txt": content for name, content in PUBLISHED.items()}),
    "idx swapped": folder(
        PUBLISHED
        | {
            "train-images-idx3-ubyte": PUBLISHED["train-labels-idx1-ubyte"],
            "train-labels-idx1-ubyte": PUBLISHED["train-images-idx3-ubyte"],
        }
    ),
    "npy files": folder({f"{name}.npy": npy_bytes(array) for name, array in ARRAYS.items()}),
    "an npz an array": folder({
        f"kmnist-{part}-{role}.npz": zipped({"arr_0.npy": npy_bytes(array)})
        for part, images, labels in (("train", X, Y), ("test", XT, YT))
        for role, array in (("imgs", images), ("labels", labels))
    }),
    "idx.zip": one(zipped(PUBLISHED)),
    "idx gz.zip": one(zipped(packed(PUBLISHED))),
    "idx in a folder.zip": one(zipped({f"MNIST/raw/{n}": c for n, c in PUBLISHED.items()})),
}  # fmt: skip
"""What is clear enough to be read: ten classes, 120 training images, with or without a test."""

SIXTY_THREE = np.arange(1_260) % 63

REFUSED: Mapping[str, tuple[Write, tuple[str, ...]]] = {
    "object labels.npz": (
        _digits(lambda y: y.astype(str).astype(object)), ("y_train", "never unpickled", "astype")),
    "named labels.npz": (_digits(lambda y: np.array(["cat", "dog"])[y % 2]), ("cat", "number")),
    "halves.npz": (_digits(lambda y: y / 2), ("y_train", "fractions")),
    "colour.npz": (_images(_colour), ("colour", "images.mean(-1)")),
    "standardised.npz": (
        _images(lambda x: (x / 255 - 0.1307) / 0.3081), ("pixels from -0.42", "normalised")),
    "sixteen bit floats.npz": (
        _images(lambda x: x.astype(np.float32) * 257), ("64250", "0 to 255")),
    "63 classes.npz": (labelled(SIXTY_THREE, SIXTY_THREE), ("from 0 to 62", "at most 62")),
    "all black.npz": (_images(np.zeros_like), ("every pixel", "is 0")),
    "alone.npy": (one(npy_bytes(X)), ("one array", "x_train.npy", "numpy.savez")),
    "renamed npy.npz": (one(npy_bytes(X)), ("one array", "numpy.savez")),
    "alone-idx3-ubyte": (one(idx_bytes(X)), ("one array", "MNIST")),
    "mnist.pkl.gz": (
        one(gzip.compress(pickle.dumps(((X, Y), (XT, YT))))),
        ("a pickle", "never opened", "np.savez", "pickle.load", "gzip.open("),
    ),
    "plain.pkl": (one(pickle.dumps((X, Y))), ("a pickle", "never opened", "f = open(")),
    "python 2.pkl": (one(pickle.dumps((X, Y), protocol=0)), ("a pickle", "never opened")),
    "dict of python 2": (one(pickle.dumps({"x": X}, protocol=1)), ("a pickle", "never opened")),
    "torch.pt": (
        one(zipped({"torch/data.pkl": b"\x80\x02}q\x00.", "torch/version": b"3"})),
        ("a PyTorch file", "never opened", "torch.load"),
    ),
    "npz.zip": (one(zipped({"mnist.npz": zipped({})})), ("mnist.npz", "archive", "unpack it")),
    "pictures.zip": (
        one(zipped({"train/0/1.png": b"\x89PNG\r\n\x1a\n"})), ("train/0/1.png", "one picture")),
    "table.npz": (one(b"label,pixel0\n5,0\n"), ("CSV", "numpy.loadtxt")),
    "page.npz": (one(HTML), ("a web page", "fetch it again")),
    "idx html": (
        folder(packed(PUBLISHED) | {"train-images-idx3-ubyte.gz": HTML}),
        ("train-images-idx3-ubyte.gz", "a web page"),
    ),
    "trailing newline": (
        folder({name: content + b"\n" for name, content in PUBLISHED.items()}),
        ("train-images", "promises", "holds more"),
    ),
    "two sets": (
        folder(packed(PUBLISHED, "emnist-digits-{}".format)
               | packed(PUBLISHED, "emnist-mnist-{}".format)),
        ("2 data sets", "emnist-digits-train-images", "emnist-mnist-train-images"),
    ),
    "half": (
        folder({name: c for name, c in PUBLISHED.items() if "train-labels" not in name}),
        ("labels of train-images-idx3-ubyte are missing",),
    ),
    "test only": (
        folder({name: c for name, c in PUBLISHED.items() if "t10k" in name}),
        ("only a test part",),
    ),
    "pickles": (folder({"data_batch_1": pickle.dumps(X)}), ("data_batch_1", "a pickle")),
    "a folder with an npz": (
        folder({"mnist.npz": zipped({f"{n}.npy": npy_bytes(a) for n, a in ARRAYS.items()})}),
        ("archive", "--data", "mnist.npz"),
    ),
    "empty folder": (lambda path: path.mkdir(), ("holds nothing", "train-images-idx3-ubyte")),
    "mnist.tar.gz": (one(tarred(PUBLISHED)), ("a tar archive", "tar xf")),
    "table.h5": (one(b"\x89HDF\r\n\x1a\n" + bytes(99)), ("HDF5", "numpy.savez")),
    "picture.png": (one(b"\x89PNG\r\n\x1a\n" + bytes(99)), ("one picture",)),
    "nested.zip": (one(zipped({"train-images": zipped({}), "train-labels": b""})), ("archive",)),
}  # fmt: skip
"""What is not, with words that the one line about it must have."""

NAMED: Mapping[str, tuple[Write, str]] = {
    "balanced.npz": (
        labelled(np.arange(940) % 47, np.arange(470) % 47),
        string.digits + ALPHABET + "abdefghnqrt",
    ),
    "both cases.npz": (
        labelled(np.arange(1_240) % 62, np.arange(620) % 62),
        string.digits + ALPHABET + ALPHABET.lower(),
    ),
    "letters.npz": (
        labelled(np.arange(260) % 26 + 1, np.arange(78) % 26 + 1),
        ALPHABET,
    ),
    "letters from 0.npz": (
        labelled(np.arange(260) % 26, np.arange(78) % 26),
        ALPHABET,
    ),
    "three or seven.npz": (labelled(np.where(Y % 2, 3, 7), np.where(YT % 2, 3, 7)), "37"),
    "text letters.npz": (
        npz(y_train=np.array(list("ABCDEFGHIJ"))[Y], y_test=np.array(list("ABCDEFGHIJ"))[YT]),
        "ABCDEFGHIJ",
    ),
}
"""Other classes than ten digits, with their characters."""
