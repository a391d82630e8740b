// The real helm as a library: what ours is raced against.
//
// It reads a chart's directory and values as JSON per line and answers each with the time that helm takes.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// request is a chart in a directory, and what it is rendered with.
type request struct {
	Directory string   `json:"directory"`
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Values    []string `json:"values"`
	CRDs      bool     `json:"crds"`
	// Repeat is how often to render it; the fastest counts.
	Repeat int `json:"repeat"`
}

// answer is how long it took, or why nothing came of it.
type answer struct {
	Error       string `json:"error,omitempty"`
	Nanoseconds int64  `json:"nanoseconds"`
}

func main() {
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	decoder, encoder := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asked request
		err := decoder.Decode(&asked)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = encoder.Encode(rendered(asked))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot render:", err)
			os.Exit(1)
		}
	}
}

// rendered renders a chart: from its files in memory to the text that helm template prints.
func rendered(asked request) answer {
	read, err := loader.LoadDir(asked.Directory)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var files []*archive.BufferedFile
	for _, file := range read.Raw {
		files = append(files, &archive.BufferedFile{Name: file.Name, Data: file.Data})
	}
	var given answer
	for range max(asked.Repeat, 1) {
		start := time.Now()
		_, err := printed(asked, files)
		took := time.Since(start).Nanoseconds()
		if err != nil {
			return answer{Error: err.Error()}
		}
		if given.Nanoseconds == 0 || took < given.Nanoseconds {
			given.Nanoseconds = took
		}
	}
	return given
}

func printed(asked request, files []*archive.BufferedFile) (string, error) {
	read, err := loader.LoadFiles(files)
	if err != nil {
		return "", err
	}
	values := map[string]any{}
	for _, text := range asked.Values {
		more, err := loader.LoadValues(bytes.NewReader([]byte(text)))
		if err != nil {
			return "", err
		}
		values = loader.MergeMaps(values, more)
	}
	client := action.NewInstall(action.NewConfiguration())
	client.DryRunStrategy = action.DryRunClient
	client.ReleaseName = asked.Name
	client.Namespace = asked.Namespace
	client.Replace = true
	client.IncludeCRDs = asked.CRDs
	client.APIVersions = common.VersionSet{}
	made, err := client.Run(read, values)
	if err != nil {
		return "", err
	}
	own, ok := made.(*release.Release)
	if !ok {
		return "", fmt.Errorf("helm made a %T", made)
	}
	var text strings.Builder
	fmt.Fprintln(&text, strings.TrimSpace(own.Manifest))
	for _, hook := range own.Hooks {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return text.String(), nil
}
