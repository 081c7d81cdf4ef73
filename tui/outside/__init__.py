"""What people get of the app outside of its screens: notifications, pictures, copies."""
