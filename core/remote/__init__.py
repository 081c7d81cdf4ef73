"""A run that another process trains: the protocol, its server, its client, its follower."""
