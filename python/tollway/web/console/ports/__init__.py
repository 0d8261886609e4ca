"""Use cases that the console's pages work with, a module each; `app` implements them."""
