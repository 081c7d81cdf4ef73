"""Networks with two inputs, over the plane of their points: what they predict where."""
