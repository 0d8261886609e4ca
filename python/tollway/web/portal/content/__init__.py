"""What the seller wrote for the portal: the folder `TOLLWAY_PORTAL_DIR`."""
