"""`make soak`: an hour of mixed traffic through a whole Tollway, and whether its memory stays flat."""
