#!/usr/bin/env bash
# Fetches the browser assets and fonts pinned in package-lock.json and lays out those that Tollway serves.
set -euo pipefail
vendor=python/tollway/web/ui/static/vendor
npm ci --silent
rm -rf "$vendor" && mkdir -p "$vendor/swagger-ui" "$vendor/fonts"
cp node_modules/htmx.org/dist/htmx.min.js "$vendor/"
cp node_modules/swagger-ui-dist/{swagger-ui-bundle.js,swagger-ui.css,LICENSE,NOTICE} "$vendor/swagger-ui/"
cp node_modules/dejavu-fonts-ttf/ttf/{DejaVuSans,DejaVuSans-Bold,DejaVuSansMono}.ttf node_modules/dejavu-fonts-ttf/LICENSE "$vendor/fonts/"
