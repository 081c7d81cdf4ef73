"""What every screen is made of: keys, theme, cells, lines, dialogs."""
