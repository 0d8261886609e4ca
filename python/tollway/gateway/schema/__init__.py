"""Descriptions of entities: what fields they have, of which types, with which defaults and checks.

Kong's own schemas are data, and its Admin API serves them; so are these. `fields` reads and checks values,
`entity` puts fields together, `describe` writes Kong's JSON of it.
"""
