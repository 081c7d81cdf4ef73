"""The rows of the sweep's table: filtered, sorted and unfolded, with a cursor that stays put."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlpwatch.core.sweeps.reading import GroupReading, SettingRow, TrialRow
from mlpwatch.tui.groups.columns import Line, SettingLine, SweepColumn, TrialLine, columns_for
from mlpwatch.tui.groups.curves import CurveExtents
from mlpwatch.tui.groups.filter import matching_settings

GRID_ORDER = -1
"""The initial sort column: none, the settings stand as in the grid."""


@dataclass(frozen=True, slots=True)
class SweepPicture:
    """What one reading of a sweep's folder shows."""

    reading: GroupReading
    settings: tuple[SettingRow, ...]
    """In the order of the grid."""
    extents: CurveExtents

    @classmethod
    def of(cls, reading: GroupReading) -> "SweepPicture":
        """Return a reading with its statistics; meant for the thread that reads."""
        return cls(reading, reading.settings(), CurveExtents.of(reading))


class SettingList:
    """Keeps the cursor on its setting or trial while trials end and rows move."""

    def __init__(self) -> None:
        self.picture: SweepPicture | None = None
        """None before the first reading."""
        self.columns: list[SweepColumn] = []
        self.lines: list[Line] = []
        """What is shown, top to bottom."""
        self.row = 0
        """The cursor's."""
        self.column = GRID_ORDER
        """That sorts."""
        self.descends = False
        self.filter = ""
        self.fault = ""
        """What is wrong with the filter; the rest of it is in force."""
        self._open: set[int] = set()
        self._matching: list[int] = []
        """Indexes of the settings that the filter leaves."""

    @property
    def selected(self) -> Line | None:
        """The row under the cursor."""
        return self.lines[self.row] if self.lines else None

    @property
    def setting(self) -> int | None:
        """The setting under the cursor, also on one of its trials."""
        line = self.selected
        if line is None:
            return None
        return line.number if isinstance(line, SettingLine) else line.row.trial.setting

    @property
    def known_columns(self) -> list[SweepColumn]:
        """The columns that have something to say: of a sweep that is done no time is left."""
        is_done = self.picture is not None and self.picture.reading.is_done
        return self.columns[:-1] if is_done else self.columns

    @property
    def settings_shown(self) -> int:
        """Settings that the filter leaves."""
        return sum(isinstance(line, SettingLine) for line in self.lines)

    def replace(self, picture: SweepPicture) -> None:
        """Take a newer reading."""
        before, self.picture = self.picture, picture
        group = picture.reading.group
        if before is None or before.reading.group != group:
            self.columns = columns_for(picture.reading)
            self._find()
        self._arrange()

    def filter_by(self, text: str) -> None:
        """Show only the settings that satisfy a filter; `fault` says what is wrong with it."""
        self.filter = text
        self._find()
        self._arrange()

    def sort_by(self, steps: int) -> None:
        """Sort by the column some places to the right; past the last comes the grid's order."""
        # The grid's order is a place of its own, before the first column.
        places = len(self.known_columns) + 1
        self.column = (self.column + 1 + steps) % places - 1
        self.descends = self.column != GRID_ORDER and self.columns[self.column].descends
        self._arrange()

    def reverse(self) -> None:
        """Reverse the order."""
        self.descends = not self.descends
        self._arrange()

    def move(self, rows: int) -> None:
        """Move the cursor, not beyond the ends."""
        self.row = max(0, min(self.row + rows, len(self.lines) - 1))

    def toggle(self) -> None:
        """List the trials of the setting under the cursor, or no longer."""
        number = self.setting
        if number is None or self.picture is None:
            return
        self._open ^= {number}
        if number not in self._open:
            # From one of its trials the cursor goes to the setting.
            self.row = self._row_of(number, self.row)
        self._arrange()

    def toggle_all(self) -> None:
        """List the trials of all settings; if any are listed, none."""
        count = len(self.picture.settings) if self.picture else 0
        number = self.setting
        self._open = set() if self._open else set(range(count))
        if number is not None and not self._open:
            self.row = self._row_of(number, self.row)
        self._arrange()

    def fold_all(self) -> bool:
        """List no trials; return whether any were listed."""
        had_some = bool(self._open)
        if had_some:
            self.toggle_all()
        return had_some

    def _find(self) -> None:
        """Find the settings that the filter leaves."""
        if self.picture is None:
            return
        settings = self.picture.reading.group.settings
        self._matching, self.fault = matching_settings(settings, self.filter)

    def _arrange(self) -> None:
        if self.picture is None:
            return
        selected = self.selected
        settings = [
            SettingLine(n, self.picture.settings[n], is_open=n in self._open)
            for n in self._matching
        ]
        lines: list[Line] = []
        for one in self._sorted(settings):
            lines.append(one)
            if one.is_open:
                lines += [_trial_line(row) for row in self.picture.reading.rows_of(one.number)]
        self.lines = lines
        self.row = max(0, min(self.row, len(lines) - 1))
        if isinstance(selected, SettingLine):
            self.row = self._row_of(selected.number, self.row)
        elif selected is not None:
            self.row = self._row_of_trial(selected.row)

    def _sorted(self, settings: list[SettingLine]) -> list[SettingLine]:
        if self.column == GRID_ORDER:
            return settings[::-1] if self.descends else settings
        key = self.columns[self.column].key
        known = [one for one in settings if key(one) is not None]
        unknown = [one for one in settings if key(one) is None]
        return sorted(known, key=key, reverse=self.descends) + unknown

    def _row_of(self, setting: int, default: int) -> int:
        return next(
            (
                n
                for n, line in enumerate(self.lines)
                if isinstance(line, SettingLine) and line.number == setting
            ),
            default,
        )

    def _row_of_trial(self, trial: TrialRow) -> int:
        name = trial.trial.name
        found = (
            n
            for n, line in enumerate(self.lines)
            if isinstance(line, TrialLine) and line.row.trial.name == name
        )
        return next(found, self._row_of(trial.trial.setting, self.row))


def _trial_line(row: TrialRow) -> TrialLine:
    pace, left = row.seconds_per_epoch, row.trial.config.epochs - row.epochs_done
    is_known = row.state == "training" and pace is not None
    return TrialLine(row, left * pace if is_known and pace is not None else None)


def failed_reasons(rows: Sequence[TrialRow]) -> list[str]:
    """Return each reason for which trials have failed, once, in their order."""
    return list(dict.fromkeys(row.reason for row in rows if row.state == "failed"))
