// The real kustomize, in one process: what ours is compared with, and raced against.
//
// It reads one tree as JSON per line and answers each with what `kustomize build` prints.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// request is one tree and the flags of one build.
type request struct {
	Files     map[string][]byte `json:"files"`
	Path      string            `json:"path"`
	Unlimited bool              `json:"unlimited"`
	Reorder   string            `json:"reorder"`
	ManagedBy bool              `json:"managedBy"`
	// Repeat is how often to build it; the fastest counts.
	Repeat int `json:"repeat"`
}

// answer is what the build printed, or why it did not.
type answer struct {
	Text        string `json:"text"`
	Error       string `json:"error,omitempty"`
	Nanoseconds int64  `json:"nanoseconds"`
}

func main() {
	log.SetOutput(io.Discard)
	// What kustomize warns of goes to the standard error of the process, past the log.
	if silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = silent
	}
	if slices.Equal(os.Args[1:], []string{"fields"}) {
		fields("", reflect.TypeFor[types.Kustomization](), os.Stdout)
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Println("cannot read a tree:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	encoder := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			return err
		}
		given := repeated(asked)
		if err := encoder.Encode(given); err != nil {
			return err
		}
	}
}

// fields prints the path of every field of a type, a line each, as it is written in YAML.
func fields(above string, of reflect.Type, out io.Writer) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		fmt.Fprintln(out, above)
		return
	}
	for _, field := range reflect.VisibleFields(of) {
		if len(field.Index) > 1 || !field.IsExported() {
			continue
		}
		name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" || strings.Contains(rest, "inline"):
			fields(above, field.Type, out)
		default:
			fields(strings.TrimPrefix(above+"."+name, "."), field.Type, out)
		}
	}
}

func repeated(asked request) answer {
	var given answer
	for range max(asked.Repeat, 1) {
		text, took, err := build(asked)
		if err != nil {
			return answer{Error: err.Error()}
		}
		if given.Nanoseconds == 0 || took.Nanoseconds() < given.Nanoseconds {
			given = answer{Text: text, Nanoseconds: took.Nanoseconds()}
		}
	}
	return given
}

func build(asked request) (text string, took time.Duration, err error) {
	// A panic is a refusal too, and the next tree deserves an answer.
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	files := filesys.MakeFsInMemory()
	for name, content := range asked.Files {
		// A schema stays in force for the whole process: it must not reach the next tree.
		if bytes.Contains(content, []byte("openapi")) {
			openapi.ResetOpenAPI()
			defer openapi.ResetOpenAPI()
		}
		if err := files.WriteFile(path.Join("/", name), content); err != nil {
			return "", 0, err
		}
	}
	options := krusty.MakeDefaultOptions()
	options.AddManagedbyLabel = asked.ManagedBy
	if asked.Unlimited {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}
	options.Reorder = krusty.ReorderOption(asked.Reorder)
	if asked.Reorder == "" {
		options.Reorder = krusty.ReorderOptionUnspecified
	}
	start := time.Now()
	built, err := krusty.MakeKustomizer(options).Run(files, path.Join("/", asked.Path))
	if err != nil {
		return "", 0, err
	}
	printed, err := built.AsYaml()
	return string(printed), time.Since(start), err
}
