"""The weights screen: the first layer's units as tiles."""
