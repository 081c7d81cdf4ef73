"""Imports and loads in the loader's thread without making the screen wait for it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Collect no garbage while the block imports and loads; then never look at what it made.

    With torch and scikit-learn imported there are 260,000 objects. A full collection looks at all
    of them and holds the interpreter meanwhile: 0.1 to 0.2 s in which no key is answered and no
    step trained. They live as long as the process, so it never finds anything.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
