// The real kustomize, in one process: what ours is compared with, and raced against.
//
//	peer build            reads one tree as JSON per line, answers each with what `kustomize build` prints
//	peer bench DIR COUNT  builds a directory of the disk COUNT times, prints the nanoseconds of each
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
	"strconv"
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
}

// answer is what the build printed, or why it did not.
type answer struct {
	Text  string `json:"text"`
	Error string `json:"error,omitempty"`
}

func main() {
	log.SetOutput(io.Discard)
	// What kustomize warns of goes to the standard error of the process, past the log.
	if silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = silent
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Println("cannot run:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "build":
		return serve(os.Stdin, os.Stdout)
	case len(args) == 3 && args[0] == "bench":
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return bench(args[1], count)
	default:
		return fmt.Errorf("say `build`, or `bench DIR COUNT`")
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
		text, err := build(asked)
		given := answer{Text: text}
		if err != nil {
			given.Error = err.Error()
		}
		if err := encoder.Encode(given); err != nil {
			return err
		}
	}
}

func build(asked request) (text string, err error) {
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
			return "", err
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
	return render(files, path.Join("/", asked.Path), options)
}

func render(files filesys.FileSystem, dir string, options *krusty.Options) (string, error) {
	built, err := krusty.MakeKustomizer(options).Run(files, dir)
	if err != nil {
		return "", err
	}
	text, err := built.AsYaml()
	return string(text), err
}

func bench(dir string, count int) error {
	files := filesys.MakeFsOnDisk()
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsNone
	for range count {
		start := time.Now()
		if _, err := render(files, dir, options); err != nil {
			return err
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
	return nil
}
