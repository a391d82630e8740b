// Go's text/template with Helm's functions, in one process: what ours is compared with, and raced
// against.
//
// It reads templates and data as JSON per line and answers each with what they print.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sort"
	"strings"
	"text/template"
	"time"
	_ "unsafe" // for initFunMap

	"helm.sh/helm/v4/pkg/engine"
)

// initFunMap is Helm's own: it gives a template every function that a chart may call.
//
//go:linkname initFunMap helm.sh/helm/v4/pkg/engine.Engine.initFunMap
func initFunMap(e engine.Engine, ctx context.Context, t *template.Template)

// request is a set of templates, and the one of them to run.
type request struct {
	Templates map[string]string `json:"templates"`
	Name      string            `json:"name"`
	Data      json.RawMessage   `json:"data"`
	Strict    bool              `json:"strict"`
	Lint      bool              `json:"lint"`
	// Rows are templates to run one after the other instead, each on its own.
	Rows []string `json:"rows"`
	// Repeat is how often to parse and run it; the fastest counts.
	Repeat int `json:"repeat"`
}

// answer is what was printed, as bytes, or why nothing was.
type answer struct {
	Text        []byte `json:"text"`
	Error       string `json:"error,omitempty"`
	Nanoseconds int64  `json:"nanoseconds"`
	// Rows are the answers to the rows.
	Rows []answer `json:"rows,omitempty"`
}

func main() {
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if len(os.Args) > 1 && os.Args[1] == "functions" {
		functions()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "verify" {
		if err := verify(os.Stdin); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Println("cannot read a request:", err)
		os.Exit(1)
	}
}

// functions prints the names of all functions that Helm knows.
func functions() {
	t := template.New("gotpl")
	initFunMap(engine.Engine{}, context.Background(), t)
	for _, name := range candidates() {
		if _, err := t.New("probe").Parse("{{" + name + "}}"); err == nil {
			fmt.Println(name)
		}
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
		given := answer{}
		if asked.Rows == nil {
			given = repeated(asked)
		}
		for _, row := range asked.Rows {
			one := asked
			one.Rows, one.Name = nil, "row"
			one.Templates = map[string]string{"row": row}
			given.Rows = append(given.Rows, repeated(one))
		}
		if err := encoder.Encode(given); err != nil {
			return err
		}
	}
}

func repeated(asked request) answer {
	var given answer
	for range max(asked.Repeat, 1) {
		text, took, err := run(asked)
		if err != nil {
			return answer{Text: []byte(text), Error: err.Error()}
		}
		if given.Nanoseconds == 0 || took.Nanoseconds() < given.Nanoseconds {
			given = answer{Text: []byte(text), Nanoseconds: took.Nanoseconds()}
		}
	}
	return given
}

func run(asked request) (text string, took time.Duration, err error) {
	// A panic is a refusal too, and the next request deserves an answer.
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	var data any
	if err := json.Unmarshal(asked.Data, &data); err != nil {
		return "", 0, err
	}
	names := make([]string, 0, len(asked.Templates))
	for name := range asked.Templates {
		names = append(names, name)
	}
	sort.Strings(names)
	start := time.Now()
	t := template.New("gotpl")
	if asked.Strict {
		t.Option("missingkey=error")
	} else {
		t.Option("missingkey=zero")
	}
	initFunMap(engine.Engine{Strict: asked.Strict, LintMode: asked.Lint}, context.Background(), t)
	for _, name := range names {
		if _, err := t.New(name).Parse(asked.Templates[name]); err != nil {
			return "", 0, err
		}
	}
	var out strings.Builder
	err = t.ExecuteTemplate(&out, asked.Name, data)
	return out.String(), time.Since(start), err
}
