package main

import (
	_ "unsafe" // for funcMap

	"text/template"

	// The package that the functions are of.
	_ "helm.sh/helm/v4/pkg/engine"
)

// funcMap is Helm's own table of functions, before a chart is known.
//
//go:linkname funcMap helm.sh/helm/v4/pkg/engine.funcMap
func funcMap() template.FuncMap

// candidates are all names that could be functions: Helm's, and those of text/template.
func candidates() []string {
	names := []string{
		"and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not",
		"or", "print", "printf", "println", "slice", "urlquery",
	}
	for name := range funcMap() {
		names = append(names, name)
	}
	return names
}
