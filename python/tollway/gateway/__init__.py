"""The gateway's domain: Kong's entities, their rules, and the configuration that the engine runs.

`Gateway` holds the use cases of one unit of work; README.md says what belongs here and what doesn't.
"""
