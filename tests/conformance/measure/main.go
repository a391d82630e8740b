// How long a program runs and how much memory it has at most.
//
// It reads one command as JSON per line, runs it and answers each with what it took. It is a program of its
// own, and a small one, because a process begins with the peak memory of the one that started it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// request is a program with its arguments.
type request struct {
	Command []string `json:"command"`
	// Repeat is how often to run it; the fastest run and the smallest peak count.
	Repeat int `json:"repeat"`
}

// answer is what a run took, unless it failed.
type answer struct {
	Failed      bool  `json:"failed"`
	Nanoseconds int64 `json:"nanoseconds"`
	PeakBytes   int64 `json:"peakBytes"`
}

func main() {
	decoder, encoder := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asked request
		err := decoder.Decode(&asked)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = encoder.Encode(repeated(asked))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot measure:", err)
			os.Exit(1)
		}
	}
}

func repeated(asked request) answer {
	var least answer
	for run := range max(asked.Repeat, 1) {
		took := measured(asked.Command)
		if took.Failed {
			return took
		}
		if run == 0 {
			least = took
		}
		least.Nanoseconds = min(least.Nanoseconds, took.Nanoseconds)
		least.PeakBytes = min(least.PeakBytes, took.PeakBytes)
	}
	return least
}

func measured(words []string) answer {
	command := exec.Command(words[0], words[1:]...)
	start := time.Now()
	err := command.Run()
	took := time.Since(start).Nanoseconds()
	if err != nil {
		return answer{Failed: true}
	}
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return answer{Failed: true}
	}
	return answer{Nanoseconds: took, PeakBytes: usage.Maxrss << 10}
}
