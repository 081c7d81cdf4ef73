"""What people set up once: the completion of their shell, and their own defaults."""
