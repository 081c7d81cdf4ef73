"""Commands about runs of other processes and other machines."""
