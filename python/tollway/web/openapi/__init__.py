"""OpenAPI files for people: read with suspicion, indexed once, shown one operation at a time."""
