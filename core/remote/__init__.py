"""Runs that another process trains: the protocol, its server, its client, the follower."""
