"""Threads for disk and data work that hold up no exit."""

from concurrent.futures import ThreadPoolExecutor


class ImpatientExecutor(ThreadPoolExecutor):
    """What `asyncio.to_thread` runs in; closing an event loop does not wait for its threads.

    `asyncio.run` ends with the default executor's shutdown, and waits there until the last of its
    threads is done: a disk that does not answer would keep the process from ending.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no more work, forget what has not begun, and leave the rest to itself."""
        super().shutdown(wait=False, cancel_futures=True)
