"""What a run leaves for others: tables, figures, a page, a notebook, a model."""
