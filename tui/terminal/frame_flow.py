"""Frames under way: none follows another over a link before the terminal has drawn that one.

A pseudo-terminal that takes output says little about a link: sshd reads it until its own buffers
and TCP's are full, which is 30 kB and more of old frames after a stall. So each frame ends with a
question that any terminal answers by itself, in its turn.
"""

from collections import deque
from collections.abc import Callable
from threading import Condition
from time import monotonic

QUESTION = "\x1b[6n"
"""Where is the cursor? (DSR, ECMA-48, 8.3.35; every terminal since the VT100 answers.) Textual
understands the answer, of 6 to 9 bytes; it knows none to the shorter `ESC [ 5 n`."""

TRIES = 5
"""Questions to a terminal that has not answered yet; then it is taken for one that never does."""

KEY_FRAMES = 4
"""Frames that may be under way while somebody types: what a key changes does not wait."""

KEY_SECONDS = 1.0
"""How long after a key that holds."""

DEAF_SECONDS = 5.0
"""A terminal that sends keys for so long and no answer has become one that never answers."""

FIRST_LOOK_SECONDS = 2.0
"""Silence after which one more question goes out: an answer may have got lost."""

LEAST_LAST_SECONDS, MOST_LAST_SECONDS = 0.5, 5.0
"""How long leaving waits for the last answer: twice the newest round trip, within these limits."""

FIRST_ANSWER_SECONDS = 2.0
"""How long after the first question a terminal may still turn out to be one that answers."""


class FrameFlow:
    """Counts questions without an answer; frames may go while there are few enough.

    A terminal that never answered gets frames as they come. One that did, and is silent, is taken
    for stalled: it gets none until it answers again. One thread asks; another may bring answers.

    Args:
        clock: returns seconds.
    """

    _answers: bool
    """Whether it has ever answered."""
    _tries: int
    _asked: deque[float]
    """When each question without an answer went out."""
    _asked_at: float
    _owed: int
    """Answers that may still come."""
    _round_trip: float
    """Seconds that the newest answer took."""
    _patience: float
    """Silence before the next reminder, in seconds."""
    _is_reminded: bool
    _typing_until: float
    _unheard_since: float | None
    """When it first sent a key in place of an answer; None while nothing is amiss."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._is_held = self._is_over = False
        self._start_over()

    def may_send(self) -> bool:
        """Return whether a frame may go out now; if not, `answered` will say that it may."""
        with self._changed:
            if self._is_deaf():
                self._start_over()
            under_way = KEY_FRAMES if self._clock() < self._typing_until else 1
            self._is_held = self._answers and len(self._asked) >= under_way
            return not self._is_held

    def sent(self) -> str:
        """Note that a frame goes out; return the question that ends it, or ""."""
        with self._changed:
            if self._is_over or not (self._answers or self._tries):
                return ""
            self._tries -= not self._answers
            self._ask()
            self._patience = FIRST_LOOK_SECONDS
            return QUESTION

    def reminder(self) -> str:
        """Return a question by itself if one is due, or "": after 2 s of silence, 4, 8 and so on.

        A lost answer would otherwise hold frames for good. The first one to come settles all.
        """
        with self._changed:
            silence = self._clock() - self._asked_at
            if self._is_over or not self._is_held or silence < self._patience:
                return ""
            self._patience *= 2
            self._is_reminded = True
            self._owed += 1
            return QUESTION

    def answered(self) -> bool:
        """Take an answer; return whether a frame was held that may go out now."""
        with self._changed:
            # After silence nobody knows which question this answers.
            settles_all = self._is_reminded or not self._answers
            if self._asked:
                self._round_trip = self._clock() - self._asked.popleft()
            if settles_all:
                self._asked.clear()
            # Answers before the first one, or to a reminder, may be lost, or still on their way.
            self._owed = 0 if self._is_reminded else max(0, self._owed - 1)
            self._answers, self._is_reminded, self._unheard_since = True, False, None
            self._changed.notify_all()
            was_held, self._is_held = self._is_held, self._is_held and bool(self._asked)
            return was_held and not self._is_held

    def typed(self) -> None:
        """Note a sign of life that is no answer: a key, the mouse, another size."""
        with self._changed:
            now = self._clock()
            self._typing_until = now + KEY_SECONDS
            if self._answers and self._asked and self._unheard_since is None:
                self._unheard_since = now

    def last_question(self) -> str:
        """Return the question whose answer is the last that may come, or ""; then ask no more.

        Terminals answer in turn: what they say after it is typed. Put it behind everything that
        switches reports off.
        """
        with self._changed:
            self._is_over = True
            if self._answers:
                self._ask()
            return QUESTION if self._answers else ""

    def finish(self) -> bool:
        """Ask no more, and wait for what is still to be answered, as long as the link needs.

        An answer that comes after the app has left is typed into the user's shell.

        Returns:
            Whether nothing is left to come.
        """
        with self._changed:
            self._is_over = True
            seconds = min(max(2 * self._round_trip, LEAST_LAST_SECONDS), MOST_LAST_SECONDS)
            if not self._answers:
                first = self._asked[0] if self._asked else -FIRST_ANSWER_SECONDS
                seconds = max(0.0, first + FIRST_ANSWER_SECONDS - self._clock())
            return self._changed.wait_for(lambda: not self._owed, seconds)

    def _ask(self) -> None:
        self._asked_at = self._clock()
        self._asked.append(self._asked_at)
        self._owed += 1

    def _is_deaf(self) -> bool:
        since = self._unheard_since
        return since is not None and self._clock() - since >= DEAF_SECONDS

    def _start_over(self) -> None:
        """Know nothing of the terminal."""
        self._answers = self._is_reminded = False
        self._asked, self._tries = deque(), TRIES
        self._round_trip, self._owed = 0.0, 0
        self._typing_until = self._asked_at = 0.0
        self._patience = FIRST_LOOK_SECONDS
        self._unheard_since = None
