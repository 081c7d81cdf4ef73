"""What a training takes of its machine: processor, memory and GPUs over the time of a run."""
