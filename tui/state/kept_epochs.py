"""Which epochs' numbers are kept: all of a usual run, evenly spread ones of a long one."""

MOST_EPOCHS = 512
"""Kept at a time. With its matrix an epoch of both models takes 3 kB; at full speed there are three
a second on MNIST and ninety on the bundled digits: an hour of them would be 30 to 900 MB. The
charts have 256 columns of dots at most."""

NEWEST_EPOCHS = 128
"""Kept without gaps, as they come."""


def is_kept(epoch: int, newest: int) -> bool:
    """Return whether an epoch's numbers are still kept once another has been done.

    It depends on both alone, and what is dropped is never wanted again: with every doubling of the
    run, every second of the older epochs goes.

    Args:
        epoch: counted from 1.
        newest: the epoch done last, from 1.
    """
    stride = 1
    while newest // stride > MOST_EPOCHS // 2:
        stride *= 2
    return epoch > newest - NEWEST_EPOCHS or epoch % stride == 0
