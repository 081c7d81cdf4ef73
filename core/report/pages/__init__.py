"""The HTML report of a run or a sweep: its frame, its charts, its sections."""
