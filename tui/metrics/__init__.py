"""The screen of numbers that other programs log: charts by name, of one log or two."""
