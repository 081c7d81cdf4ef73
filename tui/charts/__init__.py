"""Line charts that send only what a new point changes."""
