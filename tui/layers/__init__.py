"""The layers screen: gradients, updates, dead and saturated units, layer by layer, over time."""
