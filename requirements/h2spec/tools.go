//go:build tools

// Package tools pins h2spec, which the tests of HTTP/2 run; scripts/vendors.sh builds it.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
