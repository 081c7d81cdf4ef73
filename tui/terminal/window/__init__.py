"""What a terminal shows outside of its cells: title, tab, notifications, clipboard."""
