"""Keys that change the run shown: its settings while it trains, and which epoch is shown."""
