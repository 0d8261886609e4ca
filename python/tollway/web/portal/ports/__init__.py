"""What the portal's pages need; `tollway.app.portal` provides it."""
