"""Training: one loop per engine, its clocks, its control, and the session of both engines."""
