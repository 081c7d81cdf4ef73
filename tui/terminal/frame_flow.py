"""Frames on their way: over a link, none follows before the terminal has drawn the one before.

A pseudo-terminal that accepts output says little about a link: sshd reads it until its own
buffers and TCP's are full, which means 30 kB or more of old frames after a stall. So each frame
ends with a question that any terminal answers by itself, in order.
"""

from collections import deque
from collections.abc import Callable
from threading import Condition
from time import monotonic

QUESTION = "\x1b[6n"
"""Asks for the cursor's position (DSR, ECMA-48, 8.3.35; every terminal since the VT100 answers).
Textual recognises the answer, of 6 to 9 bytes, but not that of the shorter `ESC [ 5 n`."""

TRIES = 5
"""Questions to a terminal that has not answered yet; then it is assumed never to answer."""

KEY_FRAMES = 4
"""Frames that may be on their way while the user types: what a key changes does not wait."""

KEY_SECONDS = 1.0
"""How long after a key `KEY_FRAMES` applies."""

DEAF_SECONDS = 5.0
"""A terminal that sends keys for this long without an answer is assumed never to answer again."""

FIRST_LOOK_SECONDS = 2.0
"""Silence after which one more question is sent: an answer may have been lost."""

LEAST_LAST_SECONDS, MOST_LAST_SECONDS = 0.5, 5.0
"""How long leaving waits for the last answer: twice the newest round trip, within these limits."""

FIRST_ANSWER_SECONDS = 2.0
"""How long after the first question a terminal may still prove that it answers."""


class FrameFlow:
    """Counts unanswered questions; frames may be sent while there are few enough.

    A terminal that has never answered gets every frame. If it has answered before and is silent, it
    is assumed to be stalled and gets none until it answers again. Answers may come in any thread.

    Args:
        clock: returns seconds.
    """

    _answers: bool
    """Whether the terminal has ever answered."""
    _tries: int
    _asked: deque[float]
    """When each unanswered question was sent."""
    _asked_at: float
    _owed: int
    """Answers that may still come."""
    _round_trip: float
    """Seconds until the newest answer."""
    _patience: float
    """Silence before the next reminder, in seconds."""
    _is_reminded: bool
    _typing_until: float
    _unheard_since: float | None
    """When it first sent a key instead of an answer; None if all is normal."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._is_held = self._is_over = False
        self._start_over()

    def may_send(self) -> bool:
        """Return whether a frame may be sent now; if not, `answered` will return True later."""
        with self._changed:
            if self._is_deaf():
                self._start_over()
            under_way = KEY_FRAMES if self._clock() < self._typing_until else 1
            self._is_held = self._answers and len(self._asked) >= under_way
            return not self._is_held

    def sent(self) -> str:
        """Record that a frame is sent; return the question that ends it, or ""."""
        with self._changed:
            if self._is_over or not (self._answers or self._tries):
                return ""
            self._tries -= not self._answers
            self._ask()
            self._patience = FIRST_LOOK_SECONDS
            return QUESTION

    def reminder(self) -> str:
        """Return a separate question if one is due, or "": after 2 s of silence, 4, 8 and so on.

        A lost answer would otherwise hold frames forever. The first answer settles all questions.
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
        """Record an answer; return whether a held frame may be sent now."""
        with self._changed:
            # After silence it is unknown which question this answers.
            settles_all = self._is_reminded or not self._answers
            if self._asked:
                # The longest: an answer to a question that is no longer listed, which comes after
                # the first answer of all, would be counted from a later question.
                since = self._clock() - self._asked.popleft()
                self._round_trip = max(self._round_trip, since)
            if settles_all:
                self._asked.clear()
            # Answers before the first one, or to a reminder, may be lost or delayed.
            self._owed = 0 if self._is_reminded else max(0, self._owed - 1)
            self._answers, self._is_reminded, self._unheard_since = True, False, None
            self._changed.notify_all()
            was_held, self._is_held = self._is_held, self._is_held and bool(self._asked)
            return was_held and not self._is_held

    def typed(self) -> None:
        """Record a sign of life that is not an answer: a key, the mouse, another size."""
        with self._changed:
            now = self._clock()
            self._typing_until = now + KEY_SECONDS
            if self._answers and self._asked and self._unheard_since is None:
                self._unheard_since = now

    def last_question(self) -> str:
        """Return the question whose answer comes last, or ""; then ask no more.

        Terminals answer in order: what follows the answer is typed. Send it after everything that
        switches reports off.
        """
        with self._changed:
            self._is_over = True
            if self._answers:
                self._ask()
            return QUESTION if self._answers else ""

    def finish(self) -> bool:
        """Ask no more, and wait for the remaining answers, as long as the link needs.

        An answer that comes after the app has left is typed into the user's shell.

        Returns:
            Whether no answers remain.
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
        """Reset all knowledge of the terminal."""
        self._answers = self._is_reminded = False
        self._asked, self._tries = deque(), TRIES
        self._round_trip, self._owed = 0.0, 0
        self._typing_until = self._asked_at = 0.0
        self._patience = FIRST_LOOK_SECONDS
        self._unheard_since = None
