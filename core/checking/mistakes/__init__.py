"""The catalogue of mistakes: each one built as a change of the reference, and tried."""
