module fluvial.dev/conformance/measure

go 1.26.0
