"""Atlas API: the demo's upstream, places of the world over HTTP. `openapi.yaml` describes it."""
