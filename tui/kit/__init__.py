"""The parts of every screen: keys, theme, cells, lines, dialogs."""
