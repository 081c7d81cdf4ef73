"""One run on many processes: each computes its share of every batch, and one keeps the run."""
